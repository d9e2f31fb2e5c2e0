//! What every adapter of a port must do, as tests: `lan_contract!`, `radio_contract!`,
//! `clock_contract!`, `rng_contract!` run them. Compiled for tests and with the feature `test-util` only.

pub mod clock;
pub mod lan;
pub mod radio;
pub mod rng;
