//! The web dashboard beside the prompt: its address, and the code that opens it.

use std::sync::Arc;

use sovereign_dashboard::{Limits, Options, bind};
use sovereign_node::{
    Node,
    adapters::rng::OsRng,
    api::{ApiError, ErrorKind},
};
use tokio::sync::watch;
use tracing::warn;

use crate::{config::Settings, failure::Outcome};

/// What to tell about the dashboard.
pub(super) struct Dashboard {
    url: String,
    /// `None` without a dashboard.
    code: Option<watch::Receiver<String>>,
}

impl Dashboard {
    /// Serves it until the node ends, unless it is switched off. Where nobody asked for it, a node without a
    /// loopback interface does without.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] when the address that was asked for cannot be listened on.
    pub(super) async fn start(node: &Node, settings: &Settings) -> Outcome<Self> {
        let none = Self {
            url: String::new(),
            code: None,
        };
        let Some(address) = settings.dashboard() else {
            return Ok(none);
        };
        let options = Options {
            address,
            settings: settings.shown(),
            rng: Arc::new(OsRng),
            limits: Limits::default(),
        };
        let bound = match bind(options).await {
            Ok(bound) => bound,
            Err(error) if !settings.dashboard_is_wanted() => {
                warn!(%error, "there is no dashboard");
                return Ok(none);
            }
            Err(error) => {
                let message = format!("the dashboard does not start: {error}");
                let hint = "choose another port, or say --dashboard off";
                return Err(ApiError::new(ErrorKind::Io, message, hint).into());
            }
        };
        let url = bound.url();
        let mut code = bound.codes().watch();
        code.mark_changed();
        let (source, stopped) = (node.clone(), node.clone());
        tokio::spawn(bound.serve(source, async move { stopped.stopped().await }));
        Ok(Self {
            url,
            code: Some(code),
        })
    }

    /// The address and the code, at first and whenever the code has changed. Safe to cancel.
    pub(super) async fn next(&mut self) -> (String, String) {
        if let Some(code) = &mut self.code
            && code.changed().await.is_ok()
        {
            let code = code.borrow_and_update().clone();
            return (self.url.clone(), code);
        }
        std::future::pending().await
    }
}

/// For the prompt.
pub(super) fn line(url: &str, code: &str) -> String {
    format!("Dashboard: {url}  code {code}  (works once, in a browser on this machine)")
}
