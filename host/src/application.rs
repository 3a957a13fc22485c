//! Turns the crank of the pure cores: one task per call. Names no adapter.
//!
//! [`gateway`] admits calls and joins their tasks; [`call_task`] drives one [`Call`](vg_domain::call::Call) with a
//! `line` (the caller's leg), a listener (`hearing`), an agent (`thinking`) and a speaker (`speaking`).

pub mod limits;
pub mod ports;
pub mod recording;
pub mod resume;

pub mod admission;
pub mod adoption;
pub mod breakers;
mod budgets;
pub mod call_leg;
pub mod call_task;
mod clock;
pub mod desk;
pub mod gateway;
pub mod handing_on;
mod hearing;
mod kept_sound;
pub mod keeping;
mod line;
pub mod lines;
mod masking;
pub mod orders;
pub mod path;
pub mod prompt;
pub mod originate;
pub mod refusing;
pub mod setup_clock;
mod said;
mod shadow;
mod speaking;
mod usage;
mod thinking;
pub mod turns;
