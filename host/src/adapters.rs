//! Everything that speaks to the world.
