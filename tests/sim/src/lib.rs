//! Simulators of the speech vendors: real wire protocols on loopback, held to the vendors' own SDKs.
