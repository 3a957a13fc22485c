//! Where plugins come from: references, signatures, registries and the store on disk.
