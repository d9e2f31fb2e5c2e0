//! Whether interfaces have a carrier: a pulled cable or a lost access point changes no address.

#[cfg(target_os = "linux")]
pub(super) use linux::Carriers;
#[cfg(not(target_os = "linux"))]
pub(super) use none::Carriers;

#[cfg(target_os = "linux")]
mod linux {
    use std::{collections::BTreeMap, pin::Pin};

    use futures::{Stream, StreamExt as _};
    use rtnetlink::{
        MulticastGroup,
        packet_core::NetlinkPayload,
        packet_route::{
            RouteNetlinkMessage,
            link::{LinkFlags, LinkMessage},
        },
    };
    use tokio::task::JoinHandle;

    /// Interfaces remembered at most; a machine with more of them reports some changes twice.
    const MAX_INTERFACES: usize = 1_024;

    /// Which interfaces are up and have a carrier, as far as the kernel reported a change.
    pub(in super::super) struct Carriers {
        messages: Pin<Box<dyn Stream<Item = LinkMessage> + Send>>,
        connection: JoinHandle<()>,
        known: BTreeMap<u32, bool>,
    }

    impl Carriers {
        /// Listens to the kernel; `None` where it does not let us.
        pub(in super::super) fn watch() -> Option<Self> {
            let (connection, _, messages) =
                rtnetlink::new_multicast_connection(&[MulticastGroup::Link])
                    .inspect_err(|error| tracing::debug!(%error, "carriers cannot be watched"))
                    .ok()?;
            let messages = messages.filter_map(|(message, _)| async {
                match message.payload {
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link)) => Some(link),
                    _ => None,
                }
            });
            Some(Self {
                messages: Box::pin(messages),
                connection: tokio::spawn(connection),
                known: BTreeMap::new(),
            })
        }

        /// Waits until an interface gains or loses its carrier; safe to cancel. `None` when nothing more
        /// will come.
        pub(in super::super) async fn changed(&mut self) -> Option<()> {
            loop {
                let link = self.messages.next().await?;
                if link.header.flags.contains(LinkFlags::Loopback) {
                    continue;
                }
                let runs = link
                    .header
                    .flags
                    .contains(LinkFlags::Up | LinkFlags::LowerUp);
                if self.known.len() == MAX_INTERFACES {
                    self.known.clear();
                }
                if self.known.insert(link.header.index, runs) != Some(runs) {
                    return Some(());
                }
            }
        }
    }

    impl Drop for Carriers {
        fn drop(&mut self) {
            self.connection.abort();
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod none {
    /// Nothing reports carriers here: dead links are found by asking (docs/protocol.md §7.9).
    pub(in super::super) enum Carriers {}

    impl Carriers {
        pub(in super::super) const fn watch() -> Option<Self> {
            None
        }

        pub(in super::super) async fn changed(&mut self) -> Option<()> {
            match *self {}
        }
    }
}
