//! Questions that the store's thread answers.

use std::collections::BTreeMap;

use sovereign_protocol::{engine::Channel, id::MessageId};

use super::{
    commands::{Answer, Query, no_channel},
    driver::Driver,
    keeper::{Job, Question},
    say,
};
use crate::{
    api::{ApiError, ErrorKind, EventKind, Reply},
    ports::{lan::Lan, network::Network},
};

/// Messages that one history answers with at most.
const MAX_HISTORY: usize = 10_000;
/// Messages that one history answers with unless told otherwise.
const HISTORY: usize = 100;

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn history(
        &mut self,
        answer: Answer,
        channel: &str,
        limit: Option<u32>,
        since: Option<&str>,
        before: Option<&str>,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        let limit = limit
            .map_or(HISTORY, |limit| limit as usize)
            .min(MAX_HISTORY);
        let found = self.find(channel).and_then(|id| {
            let channel = self.engine.channel(&id).ok_or_else(no_channel)?;
            let since = since.map(|text| message_of(channel, text)).transpose()?;
            let before = before.map(|text| message_of(channel, text)).transpose()?;
            let order = match before {
                None => channel.history(limit, since.as_ref()),
                Some(before) => {
                    let mut order = channel.history(usize::MAX, since.as_ref());
                    // One that lies before `since` has nothing between.
                    let end = order.iter().position(|message| *message == before);
                    order.truncate(end.unwrap_or(0));
                    order.split_off(order.len().saturating_sub(limit))
                }
            };
            Ok((id, order))
        });
        match found {
            Ok((channel, order)) => {
                self.read_messages(
                    order.clone(),
                    Query::History {
                        answer,
                        channel,
                        order,
                    },
                );
                None
            }
            Err(error) => Some((answer, Err(error))),
        }
    }

    pub(super) fn read_messages(&mut self, ids: Vec<MessageId>, query: Query) {
        let query = self.ask(query);
        self.jobs.push(Job::Ask(Question::Messages { query, ids }));
    }

    pub(super) fn ask(&mut self, query: Query) -> u64 {
        let number = self.next_query;
        self.next_query += 1;
        self.queries.insert(number, query);
        number
    }

    pub(super) fn give_up(&mut self, number: u64) {
        if let Some(Query::History { answer, .. } | Query::Export { answer }) =
            self.queries.remove(&number)
        {
            let busy = ApiError::new(
                ErrorKind::Busy,
                "the store is busy",
                "try again in a moment",
            );
            // Whoever asked may have gone.
            let _ = answer.send(Err(busy));
        }
    }

    pub(super) fn messages_read(&mut self, query: u64, records: Vec<(MessageId, Vec<u8>)>) {
        match self.queries.remove(&query) {
            Some(Query::History {
                answer,
                channel,
                order,
            }) => {
                let reply = match self.engine.channel(&channel) {
                    Some(channel) => {
                        let records: BTreeMap<MessageId, Vec<u8>> = records.into_iter().collect();
                        let entries = order.into_iter().filter_map(|id| {
                            records.get(&id).and_then(|record| {
                                say::history_entry(&self.engine, channel, id, record)
                            })
                        });
                        Ok(Reply::History(entries.collect()))
                    }
                    None => Err(no_channel()),
                };
                // Whoever asked may have gone.
                let _ = answer.send(reply);
            }
            Some(Query::Tell { channel }) => {
                let Some(known) = self.engine.channel(&channel) else {
                    return;
                };
                let name = say::channel_name(known);
                let entries: Vec<_> = records
                    .into_iter()
                    .filter_map(|(id, record)| say::history_entry(&self.engine, known, id, &record))
                    .collect();
                for message in entries {
                    self.emit(EventKind::Message {
                        channel: channel.to_string(),
                        channel_name: name.clone(),
                        message,
                    });
                }
            }
            Some(Query::Export { .. } | Query::Ping { .. }) | None => {}
        }
    }
}

/// A message of a channel, by its id.
fn message_of(channel: &Channel, text: &str) -> Result<MessageId, ApiError> {
    let message: MessageId = text.parse().map_err(|_| {
        ApiError::new(
            ErrorKind::Invalid,
            "that is no message id",
            "message ids have 64 hex digits",
        )
    })?;
    if channel.log().contains(&message) {
        Ok(message)
    } else {
        Err(ApiError::new(
            ErrorKind::NotFound,
            "no such message",
            "see `sovereign history`",
        ))
    }
}
