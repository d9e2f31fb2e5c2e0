//! IMITATES the world, deterministically: the same seed gives the same run. The models are pure,
//! `(event, now, rng)`; thin adapters put them behind the ports of the node.

pub mod full;
pub mod lan;
pub mod policy;
pub mod radio;
pub mod record;
pub mod report;
pub mod scenario;
pub mod view;
pub mod world;
