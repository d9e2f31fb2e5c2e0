//! Tests of the durable store.

mod contract;
