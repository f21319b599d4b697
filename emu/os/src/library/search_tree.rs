//! `<search.h>`'s trees (POSIX `tsearch` and its kin, GNU's `tdestroy`): balanced by height, as Adelson-Velsky and Landis have them.
//!
//! Nodes are blocks of the program's heap, as programs look at them: the key, which is what they may read, the left and the right
//! child, and the height. The comparison is the guest's, so a walk down is a value that goes on after each answer. Such a tree of all
//! addresses is less than 48 high; one that is higher was written over, and the process crashes.

use super::heap::allocate;
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("tsearch", tsearch, "`void *tsearch(const void *key, void **root, int (*compare)(const void *, const void *))`: the node of the key, which it makes if there is none; NULL without memory"),
    import("tfind", tfind, "`void *tfind(const void *key, void *const *root, int (*compare)(const void *, const void *))`: the node of the key, or NULL"),
    import("tdelete", tdelete, "`void *tdelete(const void *key, void **root, int (*compare)(const void *, const void *))`: takes the node of the key out; its parent, or NULL if there is none"),
    import("twalk", twalk, "`void twalk(const void *root, void (*f)(const void *node, VISIT, int depth))`: calls f for each node"),
    import("tdestroy", tdestroy, "`void tdestroy(void *root, void (*f)(void *key))`: calls f for each key and frees all nodes"),
];

const LEFT: u32 = 4;
const RIGHT: u32 = 8;
const HEIGHT: u32 = 12;
const NODE: u32 = 16;
const HIGHEST: usize = 64;

fn corrupt() -> Stop {
    Stop::because("a tree of tsearch was written over: it is higher than any tree can be")
}

/// What a walk down is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Find,
    Enter,
    Delete,
}

/// A walk down: the places of the pointers that were followed, the last of which points at the node at hand or holds 0.
struct Walk {
    key: u32,
    compare: u32,
    purpose: Purpose,
    places: Vec<u32>,
}

fn walk(c: &mut Call<'_>, purpose: Purpose) -> Done {
    let (key, root, compare) = (c.arg(0)?, c.arg(1)?, c.arg(2)?);
    if root == 0 {
        return c.ret(0);
    }
    let walk = Walk {
        key,
        compare,
        purpose,
        places: vec![root],
    };
    go_down(c, walk)
}

fn tsearch(c: &mut Call<'_>) -> Done {
    walk(c, Purpose::Enter)
}

fn tfind(c: &mut Call<'_>) -> Done {
    walk(c, Purpose::Find)
}

fn tdelete(c: &mut Call<'_>) -> Done {
    walk(c, Purpose::Delete)
}

impl Walk {
    fn place(&self) -> u32 {
        self.places.last().copied().unwrap_or(0)
    }

    fn follow(&mut self, place: u32) -> Result<(), Stop> {
        if self.places.len() >= HIGHEST {
            return Err(corrupt());
        }
        self.places.push(place);
        Ok(())
    }
}

fn go_down(c: &mut Call<'_>, mut walk: Walk) -> Done {
    let node = c.load32(walk.place())?;
    if node == 0 {
        return match walk.purpose {
            Purpose::Enter => enter(c, walk),
            Purpose::Find | Purpose::Delete => c.ret(0),
        };
    }
    let args = vec![walk.key, c.load32(node)?];
    let (compare, then) = (walk.compare, move |c: &mut Call<'_>, result: u64| {
        let side = match result as i32 {
            0 if walk.purpose == Purpose::Delete => return delete(c, walk, node),
            0 => return c.ret(node),
            ..0 => LEFT,
            _ => RIGHT,
        };
        walk.follow(node.wrapping_add(side))?;
        go_down(c, walk)
    });
    Ok(Outcome::Enter(compare, args, Box::new(then)))
}

fn enter(c: &mut Call<'_>, walk: Walk) -> Done {
    let made = move |c: &mut Call<'_>, node: u32| {
        if node == 0 {
            return c.ret(0);
        }
        for (offset, value) in [(0, walk.key), (LEFT, 0), (RIGHT, 0), (HEIGHT, 1)] {
            c.store32(node.wrapping_add(offset), value)?;
        }
        c.store32(walk.place(), node)?;
        balance_all(c, &walk.places)?;
        c.ret(node)
    };
    allocate(c, NODE, 16, Box::new(made))
}

fn delete(c: &mut Call<'_>, mut walk: Walk, node: u32) -> Done {
    // The root's parent is none; what is answered for it is only not NULL.
    let parent = match walk.places[..] {
        [.., before, _] if walk.places.len() > 1 => c.load32(before)?,
        _ => walk.place(),
    };
    let mut gone = node;
    if c.load32(node.wrapping_add(LEFT))? != 0 {
        // The key before takes its place; that one's node goes.
        walk.follow(node.wrapping_add(LEFT))?;
        gone = c.load32(walk.place())?;
        loop {
            match c.load32(gone.wrapping_add(RIGHT))? {
                0 => break,
                next => {
                    walk.follow(gone.wrapping_add(RIGHT))?;
                    gone = next;
                }
            }
        }
        c.store32(node, c.load32(gone)?)?;
    }
    let child = match c.load32(gone.wrapping_add(LEFT))? {
        0 => c.load32(gone.wrapping_add(RIGHT))?,
        left => left,
    };
    c.store32(walk.place(), child)?;
    free(c, gone)?;
    balance_all(c, &walk.places)?;
    c.ret(parent)
}

fn free(c: &mut Call<'_>, node: u32) -> Result<(), Stop> {
    let freed = c.os.heap.free(node);
    freed.map_err(|_| {
        Stop::because(format!(
            "a tree of tsearch: {node:#010x} is not a live heap block"
        ))
    })
}

fn height(c: &Call<'_>, node: u32) -> Result<u32, Stop> {
    match node {
        0 => Ok(0),
        node => c.load32(node.wrapping_add(HEIGHT)),
    }
}

/// Both children, as they stand on a side: near and far.
fn children(c: &Call<'_>, node: u32, side: u32) -> Result<(u32, u32), Stop> {
    let other = LEFT + RIGHT - side;
    Ok((
        c.load32(node.wrapping_add(side))?,
        c.load32(node.wrapping_add(other))?,
    ))
}

fn set_height(c: &Call<'_>, node: u32) -> Result<(), Stop> {
    let (left, right) = children(c, node, LEFT)?;
    let most = height(c, left)?.max(height(c, right)?);
    c.store32(node.wrapping_add(HEIGHT), most.wrapping_add(1))
}

/// Balances the nodes that these places point at, the last one first.
fn balance_all(c: &Call<'_>, places: &[u32]) -> Result<(), Stop> {
    places.iter().rev().try_for_each(|&place| balance(c, place))
}

fn balance(c: &Call<'_>, place: u32) -> Result<(), Stop> {
    let node = c.load32(place)?;
    if node == 0 {
        return Ok(());
    }
    let (left, right) = children(c, node, LEFT)?;
    let (l, r) = (height(c, left)?, height(c, right)?);
    if l.abs_diff(r) < 2 {
        return set_height(c, node);
    }
    let (high, side) = if l > r { (left, LEFT) } else { (right, RIGHT) };
    let (outer, inner) = children(c, high, side)?;
    if height(c, outer)? < height(c, inner)? {
        rotate(c, node.wrapping_add(side), LEFT + RIGHT - side)?;
    }
    rotate(c, place, side)
}

/// The child on that side takes the place of its parent.
fn rotate(c: &Call<'_>, place: u32, side: u32) -> Result<(), Stop> {
    let node = c.load32(place)?;
    let child = c.load32(node.wrapping_add(side))?;
    let other = LEFT + RIGHT - side;
    let inner = c.load32(child.wrapping_add(other))?;
    c.store32(node.wrapping_add(side), inner)?;
    c.store32(child.wrapping_add(other), node)?;
    c.store32(place, child)?;
    set_height(c, node)?;
    set_height(c, child)
}

/// `VISIT`
mod visit {
    pub const PREORDER: u32 = 0;
    pub const POSTORDER: u32 = 1;
    pub const ENDORDER: u32 = 2;
    pub const LEAF: u32 = 3;
}

fn twalk(c: &mut Call<'_>) -> Done {
    let (root, f) = (c.arg(0)?, c.arg(1)?);
    let begun = if root == 0 || f == 0 {
        Vec::new()
    } else {
        vec![(root, visit::PREORDER)]
    };
    visit_next(c, f, begun)
}

/// Visits what comes next: nodes on the way down, and which visit of each is the next one.
fn visit_next(c: &mut Call<'_>, f: u32, mut way: Vec<(u32, u32)>) -> Done {
    let Some((node, visit)) = way.pop() else {
        return c.ret(0);
    };
    if way.len() >= HIGHEST {
        return Err(corrupt());
    }
    let (left, right) = children(c, node, LEFT)?;
    let depth = way.len() as u32;
    let (visit, below) = match visit {
        visit::PREORDER if left == 0 && right == 0 => (visit::LEAF, 0),
        visit::PREORDER => {
            way.push((node, visit::POSTORDER));
            (visit::PREORDER, left)
        }
        visit::POSTORDER => {
            way.push((node, visit::ENDORDER));
            (visit::POSTORDER, right)
        }
        visit => (visit, 0),
    };
    if below != 0 {
        way.push((below, visit::PREORDER));
    }
    let then = move |c: &mut Call<'_>, _: u64| visit_next(c, f, way);
    Ok(Outcome::Enter(f, vec![node, visit, depth], Box::new(then)))
}

fn tdestroy(c: &mut Call<'_>) -> Done {
    let (root, f) = (c.arg(0)?, c.arg(1)?);
    destroy_next(c, f, vec![root])
}

fn destroy_next(c: &mut Call<'_>, f: u32, mut left: Vec<u32>) -> Done {
    while let Some(node) = left.pop() {
        if node == 0 {
            continue;
        }
        if left.len() >= 2 * HIGHEST {
            return Err(corrupt());
        }
        let key = c.load32(node)?;
        let (a, b) = children(c, node, LEFT)?;
        left.extend([a, b]);
        free(c, node)?;
        if f != 0 {
            let then = move |c: &mut Call<'_>, _: u64| destroy_next(c, f, left);
            return Ok(Outcome::Enter(f, vec![key], Box::new(then)));
        }
    }
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::kernel::testing::Guest;

    /// Calls a function; what it calls gets the arguments and answers.
    fn play(g: &mut Guest, name: &str, args: &[u32], mut f: impl FnMut(&[u32]) -> u32) -> Result<u32, Stop> {
        let mut outcome = g.try_call(name, args)?;
        loop {
            outcome = match outcome {
                Outcome::Enter(0x2000, args, then) => {
                    let answer = f(&args);
                    g.go_on(then, answer.into())?
                }
                Outcome::Return => return Ok(g.thread.core.regs.r[0]),
                _ => panic!("{name}"),
            };
        }
    }

    fn compare(args: &[u32]) -> u32 {
        args[0].cmp(&args[1]) as i32 as u32
    }

    /// The height of a tree that is one, with all heights right.
    fn checked(g: &Guest, node: u32) -> u32 {
        if node == 0 {
            return 0;
        }
        let (l, r) = (checked(g, g.word(node + LEFT)), checked(g, g.word(node + RIGHT)));
        assert!(l.abs_diff(r) < 2);
        assert_eq!(g.word(node + HEIGHT), l.max(r) + 1);
        l.max(r) + 1
    }

    /// Keys as a walk meets them between their children.
    fn keys(g: &mut Guest, root: u32) -> Vec<u32> {
        let mut nodes = Vec::new();
        let f = |args: &[u32]| {
            if matches!(args[1], visit::POSTORDER | visit::LEAF) {
                nodes.push(args[0]);
            }
            0
        };
        play(g, "twalk", &[root, 0x2000], f).unwrap();
        nodes.into_iter().map(|node| g.word(node)).collect()
    }

    #[test]
    fn a_tree_is_walked_in_order_with_each_visit() {
        let mut g = Guest::new();
        let root = g.bytes(&[0; 4]);
        for key in [20, 10, 30] {
            let node = play(&mut g, "tsearch", &[key, root, 0x2000], compare).unwrap();
            assert_eq!(g.word(node), key);
            assert_eq!(
                play(&mut g, "tsearch", &[key, root, 0x2000], compare).unwrap(),
                node
            );
            assert_eq!(
                play(&mut g, "tfind", &[key, root, 0x2000], compare).unwrap(),
                node
            );
        }
        assert_eq!(play(&mut g, "tfind", &[15, root, 0x2000], compare).unwrap(), 0);
        let mut visits = Vec::new();
        let (top, space) = (g.word(root), g.os.space.clone());
        let f = |args: &[u32]| {
            use emu_core::memory::Memory as _;
            visits.push((space.load32(args[0]).unwrap(), args[1], args[2]));
            0
        };
        play(&mut g, "twalk", &[top, 0x2000], f).unwrap();
        assert_eq!(
            visits,
            [(20, 0, 0), (10, 3, 1), (20, 1, 0), (30, 3, 1), (20, 2, 0)]
        );
        assert_eq!(
            play(&mut g, "tdelete", &[30, root, 0x2000], compare).unwrap(),
            top
        );
        assert_eq!(play(&mut g, "tdelete", &[30, root, 0x2000], compare).unwrap(), 0);
        let mut gone = Vec::new();
        play(&mut g, "tdestroy", &[top, 0x2000], |args| {
            gone.push(args[0]);
            0
        })
        .unwrap();
        gone.sort_unstable();
        assert_eq!(gone, [10, 20]);
        for name in ["tsearch", "tfind", "tdelete"] {
            assert_eq!(play(&mut g, name, &[1, 0, 0x2000], compare).unwrap(), 0);
        }
    }

    #[test]
    fn a_tree_that_was_written_over_crashes() {
        let mut g = Guest::new();
        let root = g.bytes(&[0; 4]);
        let node = play(&mut g, "tsearch", &[5, root, 0x2000], compare).unwrap();
        g.write(node + RIGHT, &node.to_le_bytes());
        for (name, args) in [
            ("tfind", vec![6, root, 0x2000]),
            ("twalk", vec![node, 0x2000]),
            ("tdestroy", vec![node, 0]),
        ] {
            assert!(play(&mut g, name, &args, compare).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_tree_has_what_a_set_has(steps in proptest::collection::vec((any::<bool>(), 1u32..60), 0..150)) {
            let mut g = Guest::new();
            let root = g.bytes(&[0; 4]);
            let mut set = BTreeSet::new();
            for (enter, key) in steps {
                let there = if enter { !set.insert(key) } else { set.remove(&key) };
                let name = if enter { "tsearch" } else { "tdelete" };
                let found = play(&mut g, name, &[key, root, 0x2000], compare).unwrap();
                prop_assert_eq!(found != 0, enter || there);
                let top = g.word(root);
                checked(&g, top);
                prop_assert_eq!(keys(&mut g, top), set.iter().copied().collect::<Vec<_>>());
            }
        }
    }
}
