//! IO. One round of questions to one node, and what its replies come to.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::cluster::parse::{self, ParseError};
use crate::cluster::{Address, ClusterInfo, Fact, Health, Info, NodeId, Trouble, View};
use crate::link::{Command, Failure, Link, Reply, ServerError};

/// What is asked beside PING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Counts of every command cost the server more than all the rest: in full only now and then.
    Info {
        full: bool,
    },
    Nodes,
    ClusterInfo,
    /// Only while it misses a bus connection of its own.
    Links,
}

impl Question {
    /// The same question, in full or not.
    pub(super) fn is_like(self, other: Self) -> bool {
        std::mem::discriminant(&self) == std::mem::discriminant(&other)
    }

    fn command(self) -> Command {
        Command::words(match self {
            Self::Info { full: true } => "INFO everything",
            Self::Info { full: false } => "INFO",
            Self::Nodes => "CLUSTER NODES",
            Self::ClusterInfo => "CLUSTER INFO",
            Self::Links => "CLUSTER LINKS",
        })
    }
}

/// What a round came to.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) info: Option<Info>,
    pub(super) view: Option<Arc<View>>,
    pub(super) cluster_info: Option<Arc<ClusterInfo>>,
    /// Whose bus connections it has accepted.
    pub(super) inbound: Option<Arc<BTreeSet<NodeId>>>,
    /// The server has no cluster mode.
    pub(super) standalone: bool,
    /// Questions this user may not ask.
    pub(super) denied: Vec<Question>,
    /// The first thing that was wrong with a reply.
    pub(super) trouble: Option<Trouble>,
}

impl Round {
    /// What it says beside INFO.
    pub(super) fn facts(&self) -> impl Iterator<Item = Fact> {
        let view = self.view.clone().map(Fact::View);
        let cluster_info = self.cluster_info.clone().map(Fact::ClusterInfo);
        view.into_iter().chain(cluster_info).chain(self.inbound.clone().map(Fact::Inbound))
    }

    fn take(&mut self, question: Question, reply: &Reply, spoken_to: &Address) {
        if question == Question::Links {
            // Old servers do not know it, and a user may not ask it: then nobody tells.
            let denied = matches!(reply, Reply::Error(error) if Health::from_error_code(&error.code) == Health::NoPerm);
            self.denied.extend(denied.then_some(question));
            self.inbound = inbound(reply).map(Arc::new);
            return;
        }
        let text = match reply {
            Reply::Error(error) => return self.refuse(question, error),
            reply => reply.text().unwrap_or_default(),
        };
        let read = match question {
            Question::Info { .. } => parse::info(&text).map(|info| self.info = Some(info)),
            Question::Nodes => parse::nodes(&text, spoken_to).map(|view| self.view = Some(Arc::new(view))),
            Question::ClusterInfo => parse::cluster_info(&text).map(|info| self.cluster_info = Some(Arc::new(info))),
            Question::Links => return,
        };
        if let Err(error) = read {
            self.trouble.get_or_insert_with(|| unreadable(&error));
        }
    }

    fn refuse(&mut self, question: Question, error: &ServerError) {
        let health = Health::from_error_code(&error.code);
        match health {
            _ if !matches!(question, Question::Info { .. }) && has_no_cluster(error) => self.standalone = true,
            // PING tells these too, and tells when they are over.
            Health::Loading | Health::Busy | Health::MasterDown | Health::Misconf | Health::NoAuth => {}
            Health::NoPerm => {
                self.denied.push(question);
                self.trouble.get_or_insert_with(|| Trouble::new(health, error.to_string()));
            }
            _ => {
                self.trouble.get_or_insert_with(|| Trouble::new(health, format!("{}: {error}", question.command())));
            }
        }
    }
}

/// CLUSTER LINKS: the nodes at the other end of connections that the server has accepted.
fn inbound(reply: &Reply) -> Option<BTreeSet<NodeId>> {
    let field = |link: &Reply, name: &str| {
        let words: Vec<Option<String>> = link.array()?.iter().map(Reply::text).collect();
        words.chunks_exact(2).find(|pair| pair.first().and_then(Option::as_deref) == Some(name))?.last()?.clone()
    };
    let links = reply.array()?.iter().filter(|link| field(link, "direction").as_deref() == Some("from"));
    Some(links.filter_map(|link| field(link, "node")?.parse().ok()).collect())
}

/// The sentence of a server without cluster mode, or of one (a sentinel) that has no such command.
fn has_no_cluster(error: &ServerError) -> bool {
    error.detail.contains("cluster support disabled") || error.detail.starts_with("unknown command")
}

fn unreadable(error: &ParseError) -> Trouble {
    Trouble::new(Health::Garbage, error.to_string())
}

/// Asks the questions in one go.
pub(super) async fn ask(link: &Link, questions: &[Question], timeout: Duration) -> Result<Round, Failure> {
    let commands: Vec<Command> = questions.iter().map(|question| question.command()).collect();
    let replies = link.pipeline(&commands, timeout).await?;
    let mut round = Round::default();
    for (question, reply) in questions.iter().zip(&replies) {
        round.take(*question, reply, link.address());
    }
    Ok(round)
}

/// INFO alone, of a node that is not watched any more.
pub(super) async fn info(link: &Link, timeout: Duration) -> Option<Fact> {
    let round = ask(link, &[Question::Info { full: false }], timeout).await.ok()?;
    round.info.map(|info| Fact::Info(Arc::new(info)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(question: Question, reply: Reply) -> Round {
        let mut round = Round::default();
        round.take(question, &reply, &Address::new("h", 1));
        round
    }

    fn error(line: &str) -> Reply {
        Reply::Error(ServerError::read(line))
    }

    #[test]
    fn servers_without_cluster_mode_are_no_trouble() {
        for line in ["ERR This instance has cluster support disabled", "ERR unknown command 'CLUSTER', with args beginning with: "]
        {
            let round = round(Question::Nodes, error(line));
            assert!(round.standalone && round.trouble.is_none(), "{line}");
        }
    }

    #[test]
    fn accepted_connections_are_told_apart_from_its_own() {
        let id = |digit: char| digit.to_string().repeat(40);
        let word = |text: &str| Reply::Bytes(text.as_bytes().to_vec());
        let link = |direction: &str, node: &str| {
            Reply::Array(vec![word("direction"), word(direction), word("node"), word(node), word("create-time"), Reply::Int(1)])
        };
        let links = Reply::Array(vec![link("to", &id('a')), link("from", &id('b')), link("from", "")]);
        let heard = round(Question::Links, links).inbound.unwrap();
        assert_eq!(heard.iter().map(NodeId::to_string).collect::<Vec<_>>(), [id('b')]);
        let denied = round(Question::Links, error("NOPERM this user has no permissions to run the 'cluster|links' command"));
        assert!(denied.inbound.is_none() && denied.denied.len() == 1 && denied.trouble.is_none());
    }

    #[test]
    fn a_forbidden_question_and_an_unreadable_reply_are_told_in_their_words() {
        let denied = round(Question::Info { full: true }, error("NOPERM this user has no permissions to run the 'info' command"));
        assert!(denied.denied[0].is_like(Question::Info { full: false }));
        let trouble = denied.trouble.unwrap();
        assert_eq!(trouble.health, Health::NoPerm);
        assert!(trouble.detail.contains("'info'"), "{trouble}");

        let garbage = round(Question::Nodes, Reply::Bytes(b"<html>".to_vec())).trouble.unwrap();
        assert_eq!(garbage.health, Health::Garbage);
        assert!(garbage.detail.contains("CLUSTER NODES") && garbage.detail.contains("<html>"), "{garbage}");
        assert_eq!(round(Question::Info { full: true }, Reply::Nil).trouble.unwrap().health, Health::Garbage);
        assert!(round(Question::Info { full: true }, error("LOADING Redis is loading the dataset in memory")).trouble.is_none());
    }
}
