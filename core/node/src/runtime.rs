//! Starts the event loop. (Under construction: the engine comes next.)

use crate::{
    api::{ApiError, ErrorKind},
    config::NodeConfig,
    node::Node,
};

pub(crate) async fn start(_config: NodeConfig) -> Result<Node, ApiError> {
    Err(ApiError::new(
        ErrorKind::Internal,
        "the event loop is not in this build",
        "wait for the next commit",
    ))
}
