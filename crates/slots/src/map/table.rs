//! Value and version of all 16384 slots, shared between clones until one of them is written.
//!
//! Owns where blocks, versions and pages are kept, and writing to them. A value is the index of an owner; whose, the
//! table does not know.
//!
//! Values are in 512 blocks of eight bytes, together: they are all that a look-up reads, and copying 4 KiB costs less
//! than counting the references of parts would. Versions, and the pages of blocks with more than three runs, are
//! apart, in eight chunks that each exist only where there is something to say.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::block::{BLOCK_RUNS, BLOCK_SLOTS, Block, BlockRuns, Fold, NOBODY, Page, Run, Source, page_of};
use crate::range::SlotRange;
use crate::slot::{SLOT_COUNT, Slot};

const SLOTS: usize = SLOT_COUNT as usize;
const BLOCKS: usize = SLOTS / BLOCK_SLOTS;
const CHUNKS: usize = 8;
const CHUNK_BLOCKS: usize = BLOCKS / CHUNKS;

type Blocks = [Block; BLOCKS];

#[derive(Clone)]
pub(super) struct Table<V> {
    blocks: Arc<Blocks>,
    /// Where a chunk is missing, no block has a page and every slot has the version `unspoken`.
    chunks: [Option<Arc<Chunk<V>>>; CHUNKS],
    /// The version of a slot nothing was said of: the default one.
    unspoken: V,
}

/// What 64 blocks have beside their values.
#[derive(Clone)]
struct Chunk<V> {
    /// Of each block the versions of its runs; the default one for a run it has not, and in blocks with a page.
    versions: [[V; BLOCK_RUNS]; CHUNK_BLOCKS],
    /// Each with the number of its block in this chunk.
    pages: Vec<(usize, Page<V>)>,
}

impl<V: Default> Table<V> {
    /// All slots with [`NOBODY`] and the default version.
    pub(super) fn new() -> Self {
        Self {
            blocks: Arc::new([Block::uniform(NOBODY); BLOCKS]),
            chunks: [const { None }; CHUNKS],
            unspoken: V::default(),
        }
    }
}

impl<V> Table<V> {
    /// The value of `slot`, or a reference to the page that has it, which [`resolve`](Table::resolve) follows.
    #[inline]
    pub(super) fn glance(&self, slot: Slot) -> u16 {
        let index = slot.index();
        self.blocks.get(index / BLOCK_SLOTS).map_or(NOBODY, |block| block.value(index % BLOCK_SLOTS))
    }

    /// The value of `slot`, where `glance` is what [`glance`](Table::glance) said of it.
    #[inline]
    pub(super) fn resolve(&self, slot: Slot, glance: u16) -> u16 {
        match page_of(glance) {
            None => glance,
            Some(page) => self
                .page(slot, page)
                .and_then(|page| page.values.get(slot.index() % BLOCK_SLOTS))
                .copied()
                .unwrap_or(NOBODY),
        }
    }

    /// The value of `slot`.
    #[inline]
    pub(super) fn value(&self, slot: Slot) -> u16 {
        self.resolve(slot, self.glance(slot))
    }

    /// The value and the version of `slot`.
    #[inline]
    pub(super) fn entry(&self, slot: Slot) -> (u16, &V) {
        let (at, offset) = (slot.index() / BLOCK_SLOTS, slot.index() % BLOCK_SLOTS);
        let Some(block) = self.blocks.get(at) else { return (NOBODY, &self.unspoken) };
        let value = block.value(offset);
        let Some(chunk) = self.chunk(at) else { return (value, &self.unspoken) };
        let (value, version) = match page_of(value) {
            None => {
                let versions = chunk.versions.get(at % CHUNK_BLOCKS);
                (Some(value), versions.and_then(|versions| versions.get(block.run(offset))))
            }
            Some(page) => {
                let page = chunk.pages.get(page).map(|(_, page)| page);
                (
                    page.and_then(|page| page.values.get(offset)).copied(),
                    page.and_then(|page| page.versions.get(offset)),
                )
            }
        };
        (value.unwrap_or(NOBODY), version.unwrap_or(&self.unspoken))
    }

    /// Whether both are the same memory, and hence the same.
    #[cfg(feature = "std")]
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        let at = |chunk: &Option<Arc<Chunk<V>>>| chunk.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.blocks, &other.blocks) && self.chunks.iter().map(at).eq(other.chunks.iter().map(at))
    }

    fn page(&self, slot: Slot, page: usize) -> Option<&Page<V>> {
        self.chunk(slot.index() / BLOCK_SLOTS)?.pages.get(page).map(|(_, page)| page)
    }

    /// The chunk of the block `at`.
    fn chunk(&self, at: usize) -> Option<&Chunk<V>> {
        self.chunks.get(at / CHUNK_BLOCKS)?.as_deref()
    }
}

impl<V: PartialEq> Table<V> {
    /// The slots of `range` in runs, which end at the borders of blocks at the latest.
    pub(super) fn runs(&self, range: SlotRange) -> impl Iterator<Item = Run<'_, V>> {
        parts(range).flat_map(|part| {
            let block = self.blocks.get(part.block).copied().unwrap_or(Block::uniform(NOBODY));
            part.runs(block, self.chunk(part.block), &self.unspoken)
        })
    }

    /// The longest run from the slot `start` on in which all are the `same` as the first; none after the last slot.
    pub(super) fn run_at(
        &self,
        start: usize,
        same: impl Fn(&Run<'_, V>, &Run<'_, V>) -> bool,
    ) -> Option<Run<'_, V>> {
        let first = u16::try_from(start).ok().and_then(Slot::new)?;
        let mut runs = self.runs(SlotRange::new(first, Slot::MAX)?);
        let mut run = runs.next()?;
        if let Some(last) = runs.take_while(|next| same(&run, next)).last() {
            run.end = last.end;
        }
        Some(run)
    }
}

impl<V: Ord + Clone + Default> Table<V> {
    /// Whether [`write`](Table::write) would take any slot of `range` at `version`.
    pub(super) fn accepts(&self, range: SlotRange, version: &V) -> bool {
        self.runs(range).any(|run| *run.version <= *version)
    }

    /// Writes `value` and `version` over all slots of `range` that have no higher version. `before` is told what was
    /// there, in runs, refused ones included, before anything is written.
    pub(super) fn write(
        &mut self,
        range: SlotRange,
        value: u16,
        version: &V,
        mut before: impl FnMut(&Run<'_, V>),
    ) {
        let changes =
            |run: &Run<'_, V>| *run.version <= *version && (run.value != value || *run.version != *version);
        let mut any = false;
        for run in self.runs(range) {
            any |= changes(&run);
            before(&run);
        }
        // What is shared stays so when nothing is new.
        if !any {
            return;
        }
        let Self { blocks, chunks, unspoken } = self;
        let blocks = Arc::make_mut(blocks);
        for part in parts(range) {
            let (Some(block), Some(chunk)) =
                (blocks.get(part.block).copied(), chunks.get_mut(part.block / CHUNK_BLOCKS))
            else {
                continue;
            };
            let mut runs = part.runs(block, chunk.as_deref(), unspoken);
            if !runs.any(|run| changes(&run)) {
                continue;
            }
            let whole = Part { from: 0, to: BLOCK_SLOTS, ..part };
            let mut fold = Fold::new();
            let fits = whole.runs(block, chunk.as_deref(), unspoken).all(|run| {
                let (start, end) = (run.start % BLOCK_SLOTS, run.start % BLOCK_SLOTS + run.len());
                let (from, to) = (part.from.clamp(start, end), part.to.clamp(start, end));
                let (value, version) =
                    if *run.version <= *version { (value, version) } else { (run.value, run.version) };
                (start == from || fold.push(start, run.value, run.version))
                    && (from == to || fold.push(from, value, version))
                    && (to == end || fold.push(to, run.value, run.version))
            });
            if fits {
                let (block, versions) = fold.finish();
                store_runs(blocks, chunk, part.block, block, versions);
            } else {
                let mut page = Page::unfold(whole.runs(block, chunk.as_deref(), unspoken), unspoken);
                page.overwrite(part.from, part.to, value, version);
                store_page(blocks, chunk, part.block, page);
            }
        }
    }
}

/// Puts `block` in the place `at`, and the versions of its runs where they belong.
fn store_runs<V: Clone + Default + PartialEq>(
    blocks: &mut Blocks,
    chunk: &mut Option<Arc<Chunk<V>>>,
    at: usize,
    block: Block,
    versions: [V; BLOCK_RUNS],
) {
    let (first, local) = (at - at % CHUNK_BLOCKS, at % CHUNK_BLOCKS);
    let Some(place) = blocks.get_mut(at) else { return };
    let page = place.page();
    *place = block;
    let known = match chunk.as_deref() {
        None => versions.iter().all(|version| *version == V::default()),
        Some(chunk) => chunk.versions.get(local) == Some(&versions),
    };
    if known && page.is_none() {
        return;
    }
    let chunk = chunk_mut(chunk);
    if let Some(place) = chunk.versions.get_mut(local) {
        *place = versions;
    }
    if let Some(page) = page.filter(|page| *page < chunk.pages.len()) {
        chunk.pages.swap_remove(page);
        // The last page has taken its place.
        if let Some(place) = chunk.pages.get(page).and_then(|(moved, _)| blocks.get_mut(first + moved)) {
            *place = Block::paged(page);
        }
    }
}

/// Gives the block in the place `at` a page.
fn store_page<V: Clone + Default>(
    blocks: &mut Blocks,
    chunk: &mut Option<Arc<Chunk<V>>>,
    at: usize,
    page: Page<V>,
) {
    let local = at % CHUNK_BLOCKS;
    let Some(place) = blocks.get_mut(at) else { return };
    let chunk = chunk_mut(chunk);
    if let Some((_, old)) = place.page().and_then(|page| chunk.pages.get_mut(page)) {
        *old = page;
        return;
    }
    *place = Block::paged(chunk.pages.len());
    chunk.pages.push((local, page));
    if let Some(versions) = chunk.versions.get_mut(local) {
        *versions = Default::default();
    }
}

fn chunk_mut<V: Clone + Default>(chunk: &mut Option<Arc<Chunk<V>>>) -> &mut Chunk<V> {
    let new = || Chunk { versions: core::array::from_fn(|_| Default::default()), pages: Vec::new() };
    Arc::make_mut(chunk.get_or_insert_with(|| Arc::new(new())))
}

/// The offsets `from` and up to, without, `to` of one block.
#[derive(Clone, Copy)]
struct Part {
    block: usize,
    from: usize,
    to: usize,
}

impl Part {
    fn runs<'a, V>(self, block: Block, chunk: Option<&'a Chunk<V>>, unspoken: &'a V) -> BlockRuns<'a, V> {
        let source = match chunk {
            None => Source::Alike(block, unspoken),
            Some(chunk) => match block.page().and_then(|page| chunk.pages.get(page)) {
                Some((_, page)) => Source::Page(page),
                None => chunk
                    .versions
                    .get(self.block % CHUNK_BLOCKS)
                    .map_or(Source::Alike(block, unspoken), |versions| Source::Runs(block, versions)),
            },
        };
        BlockRuns { source, base: self.block * BLOCK_SLOTS, next: self.from, end: self.to }
    }
}

/// `range` in blocks.
fn parts(range: SlotRange) -> impl Iterator<Item = Part> {
    let (start, end) = (range.start().index(), range.end().index() + 1);
    (start / BLOCK_SLOTS..end.div_ceil(BLOCK_SLOTS)).map(move |block| {
        let base = block * BLOCK_SLOTS;
        Part { block, from: start.saturating_sub(base), to: (end - base).min(BLOCK_SLOTS) }
    })
}

#[cfg(test)]
impl<V: PartialEq + Default + Clone + core::fmt::Debug> Table<V> {
    /// Panics unless the table is in the one form its contents have: a page for each block that needs one and no
    /// other, and no version where none belongs.
    pub(super) fn assert_tidy(&self) {
        assert_eq!(self.unspoken, V::default());
        for (at, block) in self.blocks.iter().enumerate() {
            let part = Part { block: at, from: 0, to: BLOCK_SLOTS };
            let runs = part.runs(*block, self.chunk(at), &self.unspoken).count();
            let chunk = self.chunk(at);
            let versions = chunk.and_then(|chunk| chunk.versions.get(at % CHUNK_BLOCKS));
            let said = block.page().map_or(runs, |_| 0);
            assert!(versions.into_iter().flatten().skip(said).all(|version| *version == V::default()));
            assert_eq!(block.page().is_some(), runs > BLOCK_RUNS, "block {at}");
            if let Some(page) = block.page() {
                assert_eq!(chunk.unwrap().pages[page].0, at % CHUNK_BLOCKS);
            }
        }
        for (first, chunk) in (0..BLOCKS).step_by(CHUNK_BLOCKS).zip(&self.chunks) {
            let blocks = self.blocks[first..first + CHUNK_BLOCKS].iter();
            let paged = blocks.filter(|block| block.page().is_some()).count();
            assert_eq!(chunk.as_ref().map_or(0, |chunk| chunk.pages.len()), paged);
        }
    }
}
