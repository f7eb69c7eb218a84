//! One file that several ranks read: each tags its part of every chunk, and the first writes all of it in order.

use anyhow::{Context, Result, anyhow};
use std::ops::Range;
use tagsmith_ranks::World;
use tagsmith_text::tagged::Tagged;

/// The documents of a chunk that are a rank's.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    rank: usize,
    /// How many ranks read the same documents.
    pub ranks: usize,
}

impl Share {
    /// Returns all of them: no other rank reads what this rank reads.
    pub fn whole() -> Share {
        Share { rank: 0, ranks: 1 }
    }

    /// Returns the documents of one rank among all.
    pub fn of(world: &World) -> Share {
        Share { rank: world.rank(), ranks: world.size() }
    }

    /// Returns whether this rank writes what all have tagged.
    pub fn is_first(self) -> bool {
        self.rank == 0
    }

    /// Returns whether this rank reports what cannot be read, which comes after the documents of all ranks.
    pub fn is_last(self) -> bool {
        self.rank + 1 == self.ranks
    }

    /// Returns this rank's part of `count` documents.
    pub fn range(self, count: usize) -> Range<usize> {
        count * self.rank / self.ranks..count * (self.rank + 1) / self.ranks
    }

    /// Returns on the first rank what all ranks have tagged of a chunk up to the first bad document, and its error.
    /// `read` says how many documents the whole chunk has and whether it is the last. All ranks must have read the same.
    pub fn gather(
        self,
        world: &World,
        tagged: Vec<Tagged>,
        read: (usize, bool),
        outcome: Result<()>,
    ) -> (Vec<Tagged>, Result<()>) {
        if self.ranks == 1 {
            return (tagged, outcome);
        }
        let bad = outcome.as_ref().err().map(|error| format!("{error:#}"));
        let mut bytes = serde_json::to_vec(&(bad, read)).expect("strings and numbers are JSON");
        bytes.push(b'\n');
        serde_json::to_writer(&mut bytes, &tagged).expect("strings and numbers are JSON");
        let (mut all, mut differs) = (Vec::new(), None);
        for (rank, bytes) in world.gather(&bytes).iter().enumerate() {
            match self.part(bytes) {
                Ok((tagged, (None, of_rank))) => {
                    all.extend(tagged);
                    differs = differs.or((of_rank != read).then_some(rank));
                }
                Ok((tagged, (Some(bad), _))) => {
                    all.extend(tagged);
                    return (all, Err(anyhow!(bad)));
                }
                Err(error) => return (all, Err(error)),
            }
        }
        match differs {
            None => (all, Ok(())),
            Some(rank) => (Vec::new(), Err(anyhow!("ranks {} and {rank} read different documents", self.rank))),
        }
    }

    #[allow(clippy::type_complexity)]
    fn part(self, bytes: &[u8]) -> Result<(Vec<Tagged>, (Option<String>, (usize, bool)))> {
        let lines = bytes.iter().position(|&byte| byte == b'\n').map(|end| bytes.split_at(end));
        let (bad, tagged) = lines.context("what a rank sends has two lines")?;
        let tagged = if self.is_first() { serde_json::from_slice(tagged)? } else { Vec::new() };
        Ok((tagged, serde_json::from_slice(bad)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_is_one_rank_s() {
        for ranks in 1..5 {
            for count in 0..12 {
                let shares = (0..ranks).map(|rank| Share { rank, ranks }.range(count));
                assert_eq!(shares.flatten().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
            }
        }
    }
}
