//! Builds the decision tree that finds the instruction of a word.
//!
//! A tree is a flat list of 16-bit numbers. A node is `shift | width << 8`, followed by one reference for each value of
//! that window of the word. A reference below [`LEAF`] is the index of another node; otherwise its low 15 bits are the
//! index of the first pattern to try in the list of leaves. A leaf ends at the pattern marked `last`.

use std::collections::HashMap;

/// Bit that marks a reference to a leaf.
pub const LEAF: u16 = 0x8000;

/// A bit pattern and the number of the instruction it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// Bits that count.
    pub mask: u32,
    /// Their values.
    pub value: u32,
    /// Number of the instruction.
    pub opcode: u16,
}

impl Pattern {
    /// Some word matches both.
    fn overlaps(&self, other: &Pattern) -> bool {
        (self.value ^ other.value) & self.mask & other.mask == 0
    }
}

/// One pattern of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Leaf {
    /// What to compare; none in the leaf of words that mean nothing.
    pub pattern: Option<Pattern>,
    /// No further pattern to try.
    pub last: bool,
}

/// A finished tree.
#[derive(Debug, Default)]
pub struct Tree {
    /// Nodes and references.
    pub refs: Vec<u16>,
    /// Leaves.
    pub leaves: Vec<Leaf>,
    known: HashMap<Vec<Pattern>, u16>,
}

/// Two patterns of which neither is a special case of the other.
pub type Clash = (u16, u16);

/// Builds the tree over `width` bits.
///
/// # Errors
/// Two instructions of which none is the more special one for the words that both match.
pub fn build(mut patterns: Vec<Pattern>, width: u8) -> Result<Tree, Clash> {
    // The more bits an instruction fixes, the earlier it is tried.
    patterns.sort_by_key(|p| (std::cmp::Reverse(p.mask.count_ones()), p.opcode));
    for (i, a) in patterns.iter().enumerate() {
        for b in patterns.iter().skip(i + 1) {
            if a.overlaps(b) && (a.mask == b.mask || a.mask & b.mask != b.mask) {
                return Err((a.opcode, b.opcode));
            }
        }
    }
    let mut tree = Tree::default();
    // The root looks at the instruction class and the bits below it, which tell most instructions apart.
    let root = width.min(11);
    tree.node(&patterns, width - root, root, width);
    Ok(tree)
}

impl Tree {
    /// Appends the node that looks at `len` bits from `shift` up; returns its index.
    fn node(&mut self, patterns: &[Pattern], shift: u8, len: u8, width: u8) -> u16 {
        let at = self.refs.len();
        self.refs.push(u16::from(shift) | u16::from(len) << 8);
        self.refs.resize(at + 1 + (1 << len), 0);
        for n in 0..1u32 << len {
            let part = select(patterns, shift, len, n);
            self.refs[at + 1 + n as usize] = self.reference(&part, width);
        }
        assert!(
            at < usize::from(LEAF),
            "the decode tree is too large for 15-bit references"
        );
        at as u16
    }

    fn reference(&mut self, patterns: &[Pattern], width: u8) -> u16 {
        if let Some(known) = self.known.get(patterns) {
            return *known;
        }
        let found = match split(patterns, width) {
            Some((shift, len)) if patterns.len() > 2 => self.node(patterns, shift, len, width),
            _ => self.leaf(patterns),
        };
        self.known.insert(patterns.to_vec(), found);
        found
    }

    fn leaf(&mut self, patterns: &[Pattern]) -> u16 {
        let at = self.leaves.len() as u16;
        if patterns.is_empty() {
            self.leaves.push(Leaf {
                pattern: None,
                last: true,
            });
        }
        for (i, p) in patterns.iter().enumerate() {
            self.leaves.push(Leaf {
                pattern: Some(*p),
                last: i + 1 == patterns.len(),
            });
        }
        assert!(
            at < LEAF,
            "the decode tree has too many leaves for 15-bit references"
        );
        at | LEAF
    }
}

/// The patterns that a word with `n` in the window may match.
fn select(patterns: &[Pattern], shift: u8, len: u8, n: u32) -> Vec<Pattern> {
    let window = Pattern {
        mask: ((1 << len) - 1) << shift,
        value: n << shift,
        opcode: 0,
    };
    patterns.iter().filter(|p| p.overlaps(&window)).copied().collect()
}

/// The window that separates the patterns best: its shift and width.
fn split(patterns: &[Pattern], width: u8) -> Option<(u8, u8)> {
    let mut best = None;
    let mut least = usize::MAX;
    for len in 1..=5 {
        for shift in 0..=width - len {
            let sizes = (0..1u32 << len).map(|n| select(patterns, shift, len, n).len());
            let largest = sizes.max().unwrap_or(0);
            // Small nodes win where larger ones separate no better.
            let cost = largest * 64 + (1 << len);
            if largest < patterns.len() && cost < least {
                least = cost;
                best = Some((shift, len));
            }
        }
    }
    best
}
