//! Thirty-two neighbouring slots in eight bytes: at most three runs of one value and one version each.
//!
//! Owns the block, the page that stands in where a block has more runs, and the walk over either. Where blocks and
//! pages are kept is the business of `table`; what a value names, that of `owners`.

/// Slots to a block.
pub(super) const BLOCK_SLOTS: usize = 32;
/// Runs a block has room for.
pub(super) const BLOCK_RUNS: usize = 3;
/// The value of a slot that nobody has. Indices of owners end below it.
pub(crate) const NOBODY: u16 = 0x7FFF;
/// Marks a value that is the number of a page instead; all three values of such a block carry it.
const PAGED: u16 = 0x8000;

/// Up to three runs: `values[0]` from offset 0, `values[1]` from `cuts[0]`, `values[2]` from `cuts[1]`; a cut at 32 is
/// none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(8))]
pub(super) struct Block {
    cuts: [u8; BLOCK_RUNS - 1],
    values: [u16; BLOCK_RUNS],
}

impl Block {
    /// A block with one value throughout.
    pub(super) const fn uniform(value: u16) -> Self {
        Self { cuts: [BLOCK_SLOTS as u8; BLOCK_RUNS - 1], values: [value; BLOCK_RUNS] }
    }

    /// A block whose slots are in the page of this number, which is below 32768.
    pub(super) const fn paged(page: usize) -> Self {
        Self::uniform(page as u16 | PAGED)
    }

    /// The number of the page that has the slots, if they are in one.
    #[inline]
    pub(super) fn page(self) -> Option<usize> {
        page_of(self.values[0])
    }

    /// Which of the runs `offset` lies in.
    #[inline]
    pub(super) const fn run(&self, offset: usize) -> usize {
        let offset = (offset % BLOCK_SLOTS) as u8;
        // Sums of comparisons: runs of random slots cannot be predicted, so there is no branch to predict.
        (offset >= self.cuts[0]) as usize + (offset >= self.cuts[1]) as usize
    }

    /// The value at `offset`, or what [`page_of`] turns into the page that has it.
    // By reference: of a copy, the compiler would make an array on the stack to index.
    #[inline]
    pub(super) fn value(&self, offset: usize) -> u16 {
        self.values.get(self.run(offset)).copied().unwrap_or(NOBODY)
    }

    /// The offset at which `run` ends.
    const fn end(self, run: usize) -> usize {
        match run {
            0 => self.cuts[0] as usize,
            1 => self.cuts[1] as usize,
            _ => BLOCK_SLOTS,
        }
    }
}

/// The number of the page `value` refers to, if it refers to one.
#[inline]
pub(super) const fn page_of(value: u16) -> Option<usize> {
    if value & PAGED == 0 { None } else { Some((value & !PAGED) as usize) }
}

/// Value and version of each slot of a block.
#[derive(Debug, Clone)]
pub(super) struct Page<V> {
    pub(super) values: [u16; BLOCK_SLOTS],
    pub(super) versions: [V; BLOCK_SLOTS],
}

impl<V: Clone> Page<V> {
    /// What the runs of a whole block say.
    pub(super) fn unfold<'a>(runs: BlockRuns<'a, V>, filler: &V) -> Self
    where
        V: PartialEq + 'a,
    {
        let mut page =
            Self { values: [NOBODY; BLOCK_SLOTS], versions: core::array::from_fn(|_| filler.clone()) };
        for run in runs {
            page.fill(run.start % BLOCK_SLOTS, run.len(), run.value, run.version);
        }
        page
    }

    fn fill(&mut self, from: usize, length: usize, value: u16, version: &V) {
        for (place, kept) in self.values.iter_mut().zip(&mut self.versions).skip(from).take(length) {
            *place = value;
            kept.clone_from(version);
        }
    }

    /// Writes `value` and `version` over the slots at the offsets `from` and up to, without, `to` that have no higher
    /// version.
    pub(super) fn overwrite(&mut self, from: usize, to: usize, value: u16, version: &V)
    where
        V: Ord,
    {
        for (place, kept) in self.values.iter_mut().zip(&mut self.versions).take(to).skip(from) {
            if *kept <= *version {
                *place = value;
                kept.clone_from(version);
            }
        }
    }
}

/// Consecutive slots, from `start` and up to, without, `end`, with one value and one version.
#[derive(Debug)]
pub(super) struct Run<'a, V> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) value: u16,
    pub(super) version: &'a V,
}

impl<V> Run<'_, V> {
    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }
}

/// A block in the making: runs one after the other, equal neighbours as one.
pub(super) struct Fold<'a, V> {
    block: Block,
    versions: [Option<&'a V>; BLOCK_RUNS],
    runs: usize,
}

impl<'a, V: PartialEq> Fold<'a, V> {
    pub(super) const fn new() -> Self {
        Self { block: Block::uniform(NOBODY), versions: [None; BLOCK_RUNS], runs: 0 }
    }

    /// Adds a run that begins at the offset `from`, where the one before ends. False if there are too many.
    pub(super) fn push(&mut self, from: usize, value: u16, version: &'a V) -> bool {
        if let Some(last) = self.runs.checked_sub(1) {
            let same = self.block.values.get(last) == Some(&value);
            if same && self.versions.get(last) == Some(&Some(version)) {
                return true;
            }
            match self.block.cuts.get_mut(last) {
                Some(cut) => *cut = from as u8,
                None => return false,
            }
        }
        if let (Some(place), Some(kept)) =
            (self.block.values.get_mut(self.runs), self.versions.get_mut(self.runs))
        {
            (*place, *kept) = (value, Some(version));
        }
        self.runs += 1;
        true
    }

    /// The block, and the versions of its runs: the default one for a run it has not.
    pub(super) fn finish(self) -> (Block, [V; BLOCK_RUNS])
    where
        V: Clone + Default,
    {
        (self.block, self.versions.map(|version| version.cloned().unwrap_or_default()))
    }
}

/// Where the walk finds values and versions.
pub(super) enum Source<'a, V> {
    /// A block whose slots all have the same version.
    Alike(Block, &'a V),
    /// A block and the versions of its runs.
    Runs(Block, &'a [V; BLOCK_RUNS]),
    /// A page.
    Page(&'a Page<V>),
}

/// The runs of a block, or of a part of it.
pub(super) struct BlockRuns<'a, V> {
    pub(super) source: Source<'a, V>,
    /// The first slot of the block.
    pub(super) base: usize,
    /// The offset to go on with.
    pub(super) next: usize,
    /// The offset to stop before.
    pub(super) end: usize,
}

impl<'a, V: PartialEq> Iterator for BlockRuns<'a, V> {
    type Item = Run<'a, V>;

    fn next(&mut self) -> Option<Run<'a, V>> {
        let from = self.next;
        if from >= self.end {
            return None;
        }
        let (value, version, to) = match &self.source {
            Source::Alike(block, version) => (block.value(from), *version, block.end(block.run(from))),
            Source::Runs(block, versions) => {
                let run = block.run(from);
                (block.value(from), versions.get(run)?, block.end(run))
            }
            Source::Page(page) => {
                let mut slots = page.values.iter().zip(&page.versions).skip(from);
                let first = slots.next()?;
                let more = slots.take_while(|slot| *slot == first).count();
                (*first.0, first.1, from + 1 + more)
            }
        };
        self.next = to.min(self.end);
        Some(Run { start: self.base + from, end: self.base + self.next, value, version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Few values and versions in a few stretches, more often than not too many for a block.
    fn page() -> impl Strategy<Value = Page<u8>> {
        proptest::collection::vec((0..32usize, 0..4u16, 0..2u8), 0..7).prop_map(|stretches| {
            let mut page = Page { values: [NOBODY; 32], versions: [0; 32] };
            for (from, value, version) in stretches {
                page.fill(from, 32, value, &version);
            }
            page
        })
    }

    fn walk(source: Source<'_, u8>, next: usize, end: usize) -> Vec<(usize, usize, u16, u8)> {
        let runs = BlockRuns { source, base: 64, next, end };
        runs.map(|run| (run.start, run.end, run.value, *run.version)).collect()
    }

    proptest! {
        #[test]
        fn block_and_page_say_the_same(page in page(), a in 0..33usize, b in 0..33usize) {
            let (from, to) = (a.min(b), a.max(b));
            let runs = walk(Source::Page(&page), from, to);
            let mut next = 64 + from;
            for (start, end, value, version) in &runs {
                prop_assert_eq!(*start, next);
                for slot in *start..*end {
                    prop_assert_eq!((page.values[slot - 64], page.versions[slot - 64]), (*value, *version));
                }
                next = *end;
            }
            prop_assert_eq!(next, 64 + to);

            let all = walk(Source::Page(&page), 0, 32);
            let mut fold = Fold::new();
            let fits = all.iter().all(|(start, _, value, version)| fold.push(start - 64, *value, version));
            prop_assert_eq!(fits, all.len() <= 3);
            if fits {
                let (block, versions) = fold.finish();
                prop_assert_eq!(block.page(), None);
                prop_assert_eq!(walk(Source::Runs(block, &versions), from, to), runs);
                for offset in 0..32 {
                    prop_assert_eq!(block.value(offset), page.values[offset]);
                }
                let whole = BlockRuns { source: Source::Runs(block, &versions), base: 64, next: 0, end: 32 };
                let unfolded = Page::unfold(whole, &9);
                prop_assert_eq!((unfolded.values, unfolded.versions), (page.values, page.versions));
            }
        }
    }

    #[test]
    fn eight_bytes() {
        assert_eq!(size_of::<Block>(), 8);
        let block = Block::paged(63);
        assert!((0..32).all(|offset| page_of(block.value(offset)) == Some(63)));
        assert_eq!(page_of(NOBODY), None);
    }
}
