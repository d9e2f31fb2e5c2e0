//! Files: export, import, backup.

use std::{collections::BTreeSet, path::PathBuf};

use sovereign_protocol::{
    engine::{Taken, Token},
    id::MessageId,
};
use tokio::sync::mpsc;

use super::{
    archive_file::{self, IMPORT_QUEUE, Imported, Item},
    commands::{Answer, Query, path_of, read_only},
    driver::Driver,
    keeper::{Job, Question},
    say,
};
use crate::{
    api::{ApiError, ErrorKind, Exported, Reply},
    ports::{lan::Lan, network::Network},
};

/// An import under way; one at a time.
pub(super) struct ImportUnderWay {
    pub(super) records: mpsc::Receiver<Imported>,
    path: PathBuf,
    answer: Answer,
    pub(super) counts: crate::api::Imported,
    pub(super) writing: BTreeSet<Token>,
    /// The file's end has been read.
    end: Option<Result<(), ApiError>>,
}

impl ImportUnderWay {
    /// Bundles on their way to the disk at most: the file is read no faster than it is stored.
    const MAX_WRITING: usize = 256;

    pub(super) fn may_read(&self) -> bool {
        self.end.is_none() && self.writing.len() < Self::MAX_WRITING
    }
}

impl<N: Network, L: Lan> Driver<N, L> {
    pub(super) fn export(
        &mut self,
        answer: Answer,
        path: &str,
        channel: Option<&str>,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        let items = path_of(path).and_then(|path| {
            let only = channel.map(|channel| self.find(channel)).transpose()?;
            let life = self.engine.life();
            let wanted = |message: Option<MessageId>| match only
                .and_then(|id| self.engine.channel(&id))
            {
                None => true,
                Some(channel) => message.is_some_and(|message| channel.log().contains(&message)),
            };
            let items = self
                .engine
                .shelf()
                .iter()
                .filter(|(_, meta)| wanted(meta.message))
                .map(|(content, meta)| Item {
                    content: *content,
                    age_s: say::seconds(meta.age_now(life)),
                    lifetime_s: say::seconds(meta.lifetime),
                });
            Ok((path, items.collect::<Vec<Item>>()))
        });
        match items {
            Ok((path, items)) => {
                let query = self.ask(Query::Export { answer });
                let question = Question::Export { path, items, query };
                self.jobs.push(Job::Ask(question));
                None
            }
            Err(error) => Some((answer, Err(error))),
        }
    }

    pub(super) fn exported(&mut self, query: u64, result: Result<Exported, ApiError>) {
        if let Some(Query::Export { answer }) = self.queries.remove(&query) {
            // Whoever asked may have gone.
            let _ = answer.send(result.map(Reply::Exported));
        }
    }

    pub(super) fn import(
        &mut self,
        answer: Answer,
        path: &str,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        if let Some(why) = &self.read_only {
            return Some((answer, Err(read_only(why))));
        }
        if self.import.is_some() {
            let busy = ApiError::new(
                ErrorKind::Busy,
                "another import is under way",
                "wait for it to end",
            );
            return Some((answer, Err(busy)));
        }
        let path = match path_of(path) {
            Ok(path) => path,
            Err(error) => return Some((answer, Err(error))),
        };
        let (out, records) = mpsc::channel(IMPORT_QUEUE);
        let file = path.clone();
        tokio::task::spawn_blocking(move || archive_file::read(&file, &out));
        self.import = Some(ImportUnderWay {
            records,
            path,
            answer,
            counts: crate::api::Imported {
                bundles: 0,
                new: 0,
                known: 0,
                declined: 0,
            },
            writing: BTreeSet::new(),
            end: None,
        });
        None
    }

    pub(super) fn imported(&mut self, record: Option<Imported>) {
        let now = self.now();
        let Some(import) = &mut self.import else {
            return;
        };
        match record {
            Some(Imported::Record(record)) => {
                import.counts.bundles += 1;
                match self.engine.import(
                    record.bundle.as_bytes().clone(),
                    record.age_s,
                    record.lifetime_s,
                    now,
                ) {
                    Taken::New(token) => {
                        import.writing.insert(token);
                    }
                    Taken::Known => import.counts.known += 1,
                    Taken::Declined => import.counts.declined += 1,
                }
            }
            Some(Imported::End(end)) => import.end = Some(end),
            None => {
                let lost = ApiError::new(
                    ErrorKind::Internal,
                    format!("reading {} stopped", import.path.display()),
                    "try again",
                );
                import.end.get_or_insert(Err(lost));
            }
        }
        self.after_command();
        self.finish_import();
    }

    pub(super) fn finish_import(&mut self) {
        if self
            .import
            .as_ref()
            .is_some_and(|import| import.end.is_some() && import.writing.is_empty())
            && let Some(import) = self.import.take()
        {
            let result = import
                .end
                .unwrap_or(Ok(()))
                .map(|()| Reply::Imported(import.counts));
            // Whoever asked may have gone.
            let _ = import.answer.send(result);
        }
    }

    pub(super) fn backup(
        &mut self,
        answer: Answer,
        path: &str,
        passphrase: String,
    ) -> Option<(Answer, Result<Reply, ApiError>)> {
        match path_of(path) {
            Ok(path) => {
                let store = std::sync::Arc::clone(&self.store);
                // The passphrase's key derivation takes a second of work: off the loop with it.
                tokio::task::spawn_blocking(move || {
                    let result = crate::backup::Backup::collect(&*store)
                        .and_then(|backup| crate::backup::seal(&backup, &passphrase))
                        .and_then(|sealed| crate::backup::write_file(&path, &sealed))
                        .map(|()| Reply::Done);
                    let _ = answer.send(result);
                });
                None
            }
            Err(error) => Some((answer, Err(error))),
        }
    }
}
