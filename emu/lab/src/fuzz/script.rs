//! Random user programs in `vh-drive`'s language (docs/workloads.md).
//!
//! Every command may fail: what is judged is the kernel, not the answers. The one thing that must hold is that a process can
//! be killed.

use super::dice::Dice;
use crate::scenario::Driver;

/// Seconds that a process may take to die: the kernel's own calls wait ten seconds for the DSP.
const PATIENCE: u32 = 45;

/// The whole program: the processes at once, killed after a while, and one more afterwards.
#[must_use]
pub fn program(processes: &[String]) -> String {
    let mut text = String::new();
    for (number, lines) in processes.iter().enumerate() {
        text.push_str(&format!("process p{number} {{\n"));
        lines
            .lines()
            .for_each(|line| text.push_str(&format!("  {line}\n")));
        text.push_str("}\n");
    }
    for number in 0..processes.len() {
        text.push_str(&format!("wait p{number} within=3s => any\n"));
    }
    for number in 0..processes.len() {
        text.push_str(&format!(
            "kill p{number} => any\nwait p{number} within={PATIENCE}s => 0..255\n"
        ));
    }
    text.push_str("open z cdsp => any\ncreate z => any\nclose z => any\n");
    text
}

/// The lines of a process; with requests of a driver's own if it is known which serves the DSPs.
pub fn process(dice: &mut Dice, driver: Option<Driver>) -> String {
    let mut text = String::from(dice.pick(&[
        "open a cdsp => any\n",
        "open a cdsp => any\n",
        "open a adsp => any\n",
    ]));
    text.push_str(dice.pick(&[
        "create a => any\n",
        "create a => any\n",
        "create a => any\n",
        "attach a => any\n",
        "create-static a \"audiopd\" memory=64K => any\n",
        "",
    ]));
    if dice.percent(60) {
        text.push_str("load h a bench => any\n");
    } else {
        text.push_str("set h 0x1000\n");
    }
    for _ in 0..dice.number(1, 8) {
        text.push_str(&step(dice, driver));
    }
    text.push_str(dice.pick(&["close a => any\n", "exit a within=2s => any\n", "", "leave\n"]));
    text
}

/// A process with a line left out, said twice, or new ones.
pub fn mutated(process: &str, dice: &mut Dice, driver: Option<Driver>) -> String {
    // Blocks stay whole: only lines outside of them are touched.
    let mut units: Vec<String> = Vec::new();
    let mut depth = 0;
    for line in process.lines() {
        match units.last_mut() {
            Some(last) if depth > 0 => {
                last.push_str(line);
                last.push('\n');
            }
            _ => units.push(format!("{line}\n")),
        }
        depth += usize::from(line.ends_with('{'));
        depth -= usize::from(line.trim() == "}");
    }
    // The first three open, create and load.
    let tail = units.len().saturating_sub(3);
    match dice.number(0, 2) {
        0 if tail > 1 => {
            let at = 3 + dice.below(tail);
            units.remove(at);
        }
        1 if tail > 0 && units.len() < 24 => {
            let at = 3 + dice.below(tail);
            // A thread's name is taken once it runs.
            if !units[at].starts_with("thread") {
                units.insert(at, units[at].clone());
            }
        }
        _ if units.len() < 24 => {
            let at = units.len().min(3) + dice.below(tail + 1);
            let new = step(dice, driver);
            units.insert(at.min(units.len()), new);
        }
        _ => {}
    }
    units.concat()
}

/// One thing that a process does.
fn step(dice: &mut Dice, driver: Option<Driver>) -> String {
    if driver == Some(Driver::Qda) && dice.percent(30) {
        return object(dice);
    }
    match dice.number(0, 11) {
        0..=2 => call(dice),
        3 => {
            let size = dice.pick(&["4K", "64K", "1M", "4M"]);
            let free = dice.pick(&[
                "munmap a w SIZE => any\n",
                "munmap a w SIZE => any\nmunmap a w SIZE => any\n",
                "",
            ]);
            format!("mmap w a {size} => any\n{}", free.replace("SIZE", size))
        }
        4 => {
            let size = dice.pick(&["4K", "64K", "1M"]);
            let flags = dice.pick(&["0", "2", "3", "16"]);
            format!(
                "alloc b a {size} => any\nmemmap m a {size} fd=b flags={flags} => any\n{}memunmap a m {size} fd=b => any\nclose b => any\n",
                if dice.percent(50) {
                    call(dice)
                } else {
                    String::new()
                }
            )
        }
        5 => {
            let offset = dice.number(0, 4096);
            let length = dice.pick(&["1", "100", "4096", "60000"]);
            format!(
                "alloc b a 64K => any\nview v b 64K => any\ninvoke a h 3 in=[100,100] in=@v+{offset},{length},fd=b out=@v+{offset},{length},fd=b => any\n{}close b => any\n",
                dice.pick(&[
                    "unmap v 64K => any\n",
                    "unmap v+4K 4K => any\n",
                    "protect v 8K ro => any\n",
                    ""
                ])
            )
        }
        6 => "alloc b a 64K => any\ninvoke a h 2 hin=b,64K,0 => any\n".into(),
        7 => format!("info i a {} => any\n", dice.number(0, 260)),
        8 => {
            let signal = dice.pick(&["SIGUSR1", "SIGUSR2"]);
            let count = dice.number(1, 4);
            let name = format!("t{}", dice.number(0, 1 << 30));
            format!(
                "thread {name} count={count} {{\n  invoke a h 5 in=[{}] => any\n}}\nparked {name} within=500ms => any\nsignal {name} {signal} => any\n",
                dice.number(0, 2000)
            )
        }
        9 => dice
            .pick(&[
                "close a => any\nopen a cdsp => any\ncreate a => any\n",
                "dup d a => any\nclose d => any\n",
                "alloc c a 4K place=read-only => any\n",
                "invoke a h 2 args=0 sc=0x02010100 => any\n",
                "unload a h => any\n",
            ])
            .into(),
        10 => format!("repeat {} {{\n  {}}}\n", dice.number(2, 20), call(dice)),
        _ => format!("sleep {}ms\n", dice.number(1, 50)),
    }
}

/// Something with an object of QDA's: made, exported, closed, imported, mapped, in any order of their ends.
fn object(dice: &mut Dice) -> String {
    let size = dice.pick(&["4K", "64K", "1M"]);
    let mut text = format!("qda-gem g a {size} => any\n");
    for _ in 0..dice.number(1, 4) {
        text.push_str(dice.pick(&[
            "gem-export e a g => any\n",
            "gem-export e a g => any\ngem-import i a e => any\n",
            "gem-export e a g => any\nopen f cdsp => any\ngem-import i f e => any\nclose f => any\n",
            "qda-offset o a g => any\n",
            "gem-export e a g => any\nqda-map m a 4K fd=e => any\nqda-unmap a m 4K fd=e => any\n",
            "gem-export e a g => any\nqda-map m a 4K fd=e request=1 => any\n",
            "gem-close a g => any\n",
            "gem-close a g+1 => any\n",
            "qda-query a => any\n",
        ]));
    }
    text
}

/// A call of the `bench` skeleton, or of what may stand in its place.
fn call(dice: &mut Dice) -> String {
    match dice.number(0, 5) {
        0 => "invoke a h 2 => any\n".into(),
        1 => format!("invoke a h 4 in=[{}] out=4 => any\n", dice.number(1, 2000)),
        2 => format!("invoke a h 5 in=[{}] => any\n", dice.number(0, 500)),
        3 => {
            let size = dice.pick(&["1", "100", "4096", "100000"]);
            format!("invoke a h 3 in=[100,100] in={size} out={size} => any\n")
        }
        4 => format!(
            "invoke a {} {} in=16 out=16 => any\n",
            dice.number(0, 20),
            dice.number(0, 12)
        ),
        _ => format!("invoke a h 2 sc={:#x} => any\n", dice.number(0, 0xffff_ffff)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks_close(text: &str) -> bool {
        let mut depth = 0_i32;
        for line in text.lines() {
            depth += i32::from(line.ends_with('{'));
            depth -= i32::from(line.trim() == "}");
            if depth < 0 {
                return false;
            }
        }
        depth == 0
    }

    #[test]
    fn changed_programs_keep_their_blocks_and_do_not_grow_without_end() {
        let mut dice = Dice::new(3, 1);
        let mut process = process(&mut dice, None);
        for turn in 0..500 {
            let driver = [None, Some(Driver::Qda)][turn % 2];
            process = mutated(&process, &mut dice, driver);
            assert!(blocks_close(&process), "{process}");
            assert!(process.lines().count() < 200, "{process}");
        }
    }

    #[test]
    fn every_process_is_waited_for_and_must_die() {
        let text = program(&["open a cdsp => any\n".into(), "sleep 1ms\n".into()]);
        for number in 0..2 {
            assert!(text.contains(&format!("process p{number} {{")));
            assert!(text.contains(&format!("wait p{number} within={PATIENCE}s => 0..255")));
        }
        assert!(blocks_close(&text));
    }
}
