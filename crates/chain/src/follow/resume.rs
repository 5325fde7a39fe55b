//! Where a follower begins: at the head, or after the block that the consumer had dealt with before it stopped.
//!
//! What happened meanwhile must come out as data: blocks that were missed are delivered, a resume block that left the
//! chain is dropped by name.

use cofferdam_types::{BlockNumber, BlockRef};

use super::{FollowError, Follower, Rebase, Start};

impl Follower {
    /// Finds out which blocks lie below the starting point, so that reorgs across it are seen. False while the chain
    /// has not come as far as the starting point.
    pub(super) async fn begin(&mut self) -> Result<bool, FollowError> {
        let Some(start) = self.start else { return Ok(true) };
        match start {
            Start::AtHead => {
                let head = self.node.newest().await?;
                let below = match head.block.number.0.checked_sub(1) {
                    Some(number) => self.canonical_up_to(BlockNumber(number)).await?,
                    None => Vec::new(),
                };
                self.known = below.into();
            }
            Start::After(resume) => {
                if !self.begin_after(resume).await? {
                    return Ok(false);
                }
            }
        }
        self.start = None;
        self.trim();
        Ok(true)
    }

    async fn begin_after(&mut self, resume: BlockRef) -> Result<bool, FollowError> {
        match self.node.header(resume.number).await? {
            Some(header) if header.hash == resume.hash => {
                let known = self.canonical_up_to(resume.number).await?;
                // The chain may have moved between the two questions.
                if known.last() != Some(&resume) {
                    return Ok(false);
                }
                self.known = known.into();
            }
            // Either the node is behind, and nothing can be told yet, or the chain became shorter meanwhile.
            None if self.node.header_by_hash(resume.hash).await?.is_none() => {
                self.say_behind(resume).await?;
                return Ok(false);
            }
            Some(_) | None => self.begin_after_dropped(resume).await?,
        }
        Ok(true)
    }

    async fn say_behind(&mut self, resume: BlockRef) -> Result<(), FollowError> {
        let head = self.node.newest().await?.block.number;
        if !std::mem::replace(&mut self.said_behind, true) {
            let detail = format!("head {head} is below block {}, where to resume: waiting for it", resume.number);
            self.node.alerts().endpoint("all", detail);
        }
        Ok(())
    }

    /// Canonical blocks up to `last`, oldest first, as many as are kept and fit together.
    async fn canonical_up_to(&self, last: BlockNumber) -> Result<Vec<BlockRef>, FollowError> {
        let first = BlockNumber(last.0.saturating_sub(self.options.depth));
        let headers = self.node.headers(first, last).await?;
        let mut known: Vec<BlockRef> = Vec::with_capacity(headers.len());
        for header in headers {
            if known.last().is_some_and(|below| below.hash != header.parent_hash) {
                known.clear();
            }
            known.push(header.block_ref());
        }
        Ok(known)
    }

    /// The resume block left the chain while we were away. Walks down its branch to the block where the chains part;
    /// the ordinary handling of reorgs does the rest.
    async fn begin_after_dropped(&mut self, resume: BlockRef) -> Result<(), FollowError> {
        let depth = usize::try_from(self.options.depth).unwrap_or(usize::MAX);
        let mut branch = Vec::new();
        let mut below = Vec::new();
        let mut cursor = Some(resume);
        while let Some(block) = cursor {
            let remembered = self.node.header_by_hash(block.hash).await?.filter(|found| found.number == block.number);
            let Some(header) = remembered else {
                // Nobody remembers this block, so nobody can tell where the chains parted. The whole window is
                // delivered again: twice is harmless, never is not.
                let from = BlockNumber(resume.number.0.saturating_sub(self.options.depth.saturating_sub(1)));
                let dropped = if branch.is_empty() { vec![resume] } else { branch };
                self.rebase = Some(Rebase { dropped, from });
                return Ok(());
            };
            let canonical = self.node.header(block.number).await?;
            if canonical.is_some_and(|canonical| canonical.hash == block.hash) {
                below = self.canonical_up_to(block.number).await?;
                if below.last() == Some(&block) {
                    break;
                }
                below.clear();
            }
            branch.push(block);
            if branch.len() > depth {
                break;
            }
            cursor = header.parent_ref();
        }
        self.known = below.into_iter().chain(branch.into_iter().rev()).collect();
        Ok(())
    }
}
