//! How many source files of a crate form one circle: each needs the next, the last one the first.
//!
//! What counts: file A needs file B if a path in A leads to something in B: in `use`, in a type, an expression or a pattern.
//! `pub use` is followed to the file that defines the thing. Not counted: tests (`#[cfg(test)]`), what stands inside the
//! arguments of macros, and calls of methods, which need no path; so that nobody hides a circle in the latter, an
//! `impl Type` away from the file of the type counts as a path from the type's file to that one.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::visit::{self, Visit};
use syn::{Attribute, Item, UseTree};

use emu_setup::ui;

/// Crates that are held to a limit: files of the largest circle.
const LIMITS: &[(&str, usize)] = &[
    ("emu/cli", 4),
    ("emu/core", 4),
    ("emu/lab", 4),
    ("emu/linux-user", 4),
    ("emu/machine", 4),
    ("emu/os", 4),
];

/// A module by its path from the crate's root.
type Module = Vec<String>;

/// What the source of one crate says.
#[derive(Default)]
struct Source {
    /// The file of each module.
    files: HashMap<Module, PathBuf>,
    /// Names that `use` brings into a module: what they stand for.
    names: HashMap<Module, HashMap<String, Module>>,
    /// Paths in each module.
    paths: Vec<(Module, Module)>,
    /// Types that are defined in each module.
    types: BTreeSet<Module>,
    /// Types that have an `impl` in a module: module, and the path of the type.
    impls: Vec<(Module, Module)>,
}

fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|a| {
        let cfg = a
            .path()
            .is_ident("cfg")
            .then(|| a.parse_args::<syn::Ident>().ok());
        a.path().is_ident("test") || cfg.flatten().is_some_and(|name| name == "test")
    })
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Impl(i) => &i.attrs,
        Item::Macro(i) => &i.attrs,
        Item::Mod(i) => &i.attrs,
        Item::Static(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        _ => &[],
    }
}

impl Source {
    /// Reads a crate from its `lib.rs` or `main.rs`.
    fn read(root: &Path) -> Result<Self> {
        let mut source = Self::default();
        source.read_file(root, Vec::new(), root.parent().unwrap_or(root))?;
        Ok(source)
    }

    fn read_file(&mut self, file: &Path, module: Module, children: &Path) -> Result<()> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
        self.read_items(&parsed.items, file, module, children)
    }

    fn read_items(&mut self, items: &[Item], file: &Path, module: Module, children: &Path) -> Result<()> {
        self.files.insert(module.clone(), file.to_owned());
        for item in items.iter().filter(|item| !is_test(attributes(item))) {
            match item {
                Item::Mod(m) => {
                    let name = m.ident.to_string();
                    let inner = [module.clone(), vec![name.clone()]].concat();
                    let below = children.join(&name);
                    match &m.content {
                        Some((_, items)) => self.read_items(items, file, inner, &below)?,
                        None => {
                            let flat = children.join(format!("{name}.rs"));
                            let path = if flat.is_file() {
                                flat
                            } else {
                                below.join("mod.rs")
                            };
                            // What a build script writes stands elsewhere and is included there.
                            if path.is_file() {
                                self.read_file(&path, inner, &below)?;
                            }
                        }
                    }
                    continue;
                }
                Item::Use(u) => self.read_use(&u.tree, &module, Vec::new()),
                Item::Struct(syn::ItemStruct { ident, .. }) | Item::Enum(syn::ItemEnum { ident, .. }) => {
                    self.types
                        .insert([module.clone(), vec![ident.to_string()]].concat());
                }
                Item::Impl(i) if i.trait_.is_none() => {
                    if let syn::Type::Path(p) = &*i.self_ty {
                        self.impls.push((module.clone(), segments(&p.path)));
                    }
                }
                _ => {}
            }
            Paths {
                source: self,
                module: &module,
            }
            .visit_item(item);
        }
        Ok(())
    }

    fn read_use(&mut self, tree: &UseTree, module: &Module, mut path: Module) {
        match tree {
            UseTree::Path(p) => {
                path.push(p.ident.to_string());
                self.read_use(&p.tree, module, path);
            }
            UseTree::Group(g) => g
                .items
                .iter()
                .for_each(|t| self.read_use(t, module, path.clone())),
            UseTree::Glob(_) => self.paths.push((module.clone(), path)),
            UseTree::Name(_) | UseTree::Rename(_) => {
                let (name, local) = match tree {
                    UseTree::Rename(r) => (r.ident.to_string(), r.rename.to_string()),
                    UseTree::Name(n) => (n.ident.to_string(), n.ident.to_string()),
                    _ => return,
                };
                let local = match (name.as_str(), path.last()) {
                    ("self", Some(last)) => last.clone(),
                    _ => {
                        path.push(name);
                        local
                    }
                };
                self.paths.push((module.clone(), path.clone()));
                self.names.entry(module.clone()).or_default().insert(local, path);
            }
        }
    }

    /// The module that a path written in `module` leads to; `None`: outside of the crate.
    fn resolve(&self, module: &Module, path: &[String], depth: usize) -> Option<(Module, Vec<String>)> {
        if depth > 16 {
            return None;
        }
        let mut at = module.clone();
        let mut rest = path;
        match rest.first().map(String::as_str)? {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            name if self.is_module(&at, name) => at.push(name.into()),
            name => {
                let target = self.names.get(&at)?.get(name)?;
                // A crate's name stands for itself.
                if target.first().map(String::as_str) == Some(name) && !self.is_module(&at, name) {
                    return None;
                }
                let full = [target.as_slice(), rest.get(1..)?].concat();
                return self.resolve(module, &full, depth + 1);
            }
        }
        rest = rest.get(1..)?;
        while let Some(name) = rest.first() {
            if name == "super" {
                at.pop();
            } else if self.is_module(&at, name) {
                at.push(name.clone());
            } else if let Some(target) = self.names.get(&at).and_then(|names| names.get(name)) {
                let full = [target.as_slice(), rest.get(1..)?].concat();
                let here = at.clone();
                return self.resolve(&here, &full, depth + 1);
            } else {
                break;
            }
            rest = rest.get(1..)?;
        }
        Some((at, rest.to_vec()))
    }

    fn is_module(&self, at: &Module, name: &str) -> bool {
        self.files
            .contains_key(&[at.as_slice(), &[name.to_owned()]].concat())
    }

    /// Which files each file needs.
    fn edges(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut out: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
        for file in self.files.values() {
            out.entry(file).or_default();
        }
        let mut add = |from: &Module, to: &Module| {
            let (from, to) = (&self.files[from], &self.files[to]);
            if from != to {
                out.entry(from).or_default().insert(to);
            }
        };
        for (module, path) in &self.paths {
            if let Some((target, _)) = self.resolve(module, path, 0) {
                add(module, &target);
            }
        }
        for (module, path) in &self.impls {
            let place = self.resolve(module, path, 0);
            let (home, name) = place.unwrap_or_else(|| (module.clone(), path.clone()));
            let whole = [home.clone(), name].concat();
            if self.types.contains(&whole) {
                add(&home, module);
            }
        }
        out
    }
}

fn segments(path: &syn::Path) -> Module {
    path.segments.iter().map(|s| s.ident.to_string()).collect()
}

/// Collects the paths of an item.
struct Paths<'a> {
    source: &'a mut Source,
    module: &'a Module,
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.source.paths.push((self.module.clone(), segments(path)));
        visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, _: &'ast syn::ItemUse) {}

    // `pub(super)` says who may look in, not what is needed.
    fn visit_vis_restricted(&mut self, _: &'ast syn::VisRestricted) {}
}

/// Circles of more than one file, largest first.
fn circles<'a>(edges: &BTreeMap<&'a Path, BTreeSet<&'a Path>>) -> Vec<BTreeSet<&'a Path>> {
    let reach = |from: &'a Path| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![from]);
        while let Some(file) = todo.pop() {
            for &next in edges.get(file).into_iter().flatten() {
                if seen.insert(next) {
                    todo.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&Path, BTreeSet<&Path>> = edges.keys().map(|&file| (file, reach(file))).collect();
    let mut out: BTreeSet<BTreeSet<&Path>> = BTreeSet::new();
    for (&file, to) in &reached {
        let circle: BTreeSet<&Path> = to.iter().copied().filter(|f| reached[f].contains(file)).collect();
        if circle.len() > 1 {
            out.insert(circle);
        }
    }
    let mut out: Vec<_> = out.into_iter().collect();
    out.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
    out
}

fn measure(repository: &Path, name: &str) -> Result<(usize, usize, Vec<Vec<String>>)> {
    let src = repository.join(name).join("src");
    let root = ["lib.rs", "main.rs"].map(|f| src.join(f));
    let root = root
        .iter()
        .find(|f| f.is_file())
        .context("no lib.rs and no main.rs")?;
    let source = Source::read(root)?;
    let edges = source.edges();
    let short = |file: &&Path| file.strip_prefix(&src).unwrap_or(file).display().to_string();
    let circles = circles(&edges)
        .iter()
        .map(|c| c.iter().map(short).collect())
        .collect();
    Ok((edges.len(), edges.values().map(BTreeSet::len).sum(), circles))
}

/// Prints the circles of every crate below `emu/`; an error if one is larger than it may be.
pub fn report() -> Result<()> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no repository")?;
    let mut too_large = Vec::new();
    let mut names: Vec<String> = std::fs::read_dir(repository.join("emu"))?
        .filter_map(|entry| Some(format!("emu/{}", entry.ok()?.file_name().to_str()?)))
        .filter(|name| repository.join(name).join("Cargo.toml").is_file())
        .collect();
    names.sort();
    for name in names {
        let (files, edges, circles) = measure(repository, &name)?;
        let largest = circles.first().map_or(1, Vec::len);
        ui::say(format!(
            "{name}: {files} files, {edges} paths between them, largest circle {largest}"
        ));
        for circle in &circles {
            ui::say(format!("  {}", circle.join(" ")));
        }
        let limit = LIMITS.iter().find(|(limited, _)| *limited == name);
        too_large.extend(limit.filter(|(_, limit)| largest > *limit).map(|_| name));
    }
    if too_large.is_empty() {
        return Ok(());
    }
    bail!("circles of too many files in {}", too_large.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A crate of these files.
    fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let root = std::env::temp_dir().join(format!("xtask-circles-{}-{number}", std::process::id()));
        for (name, text) in files {
            let path = root.join("c/src").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let found = measure(&root, "c").unwrap().2;
        std::fs::remove_dir_all(&root).unwrap();
        found
    }

    #[test]
    fn downhill_is_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A; use std::fmt;"),
            (
                "a.rs",
                "use crate::b::B; pub struct A(B); impl A { fn f(&self) {} }",
            ),
            (
                "b.rs",
                "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
            ),
        ];
        assert_eq!(circles_of(&files), Vec::<Vec<String>>::new());
    }

    #[test]
    fn circles_are_found_however_the_path_is_written() {
        let lib = ("lib.rs", "mod a; mod b; mod c; pub use c::C;");
        let c = ("c/mod.rs", "mod d; pub use d::C;");
        let d = ("c/d.rs", "pub struct C(super::super::a::A);");
        let both: &[&str] = &["a.rs", "c/d.rs"];
        // A module that is named itself belongs to the circle.
        let three: &[&str] = &["a.rs", "c/d.rs", "c/mod.rs"];
        for (a, circle) in [
            ("use crate::c::C; pub struct A(C);", both),
            ("pub struct A(Box<crate::C>);", both),
            ("use super::c; pub struct A; fn f() -> c::C { todo!() }", three),
            (
                "use crate::{c::{self as e}}; pub struct A; fn f(_: e::C) {}",
                three,
            ),
        ] {
            let found = circles_of(&[lib, ("a.rs", a), ("b.rs", ""), c, d]);
            assert_eq!(found, [circle], "{a}");
        }
    }

    #[test]
    fn a_type_cut_over_files_is_a_circle() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub struct A; impl A { fn f(&self) { self.g() } }"),
            ("b.rs", "use crate::a::A; impl A { pub fn g(&self) {} }"),
        ];
        assert_eq!(circles_of(&files), [["a.rs", "b.rs"]]);
    }

    #[test]
    fn our_crates_keep_their_limits() {
        report().unwrap();
    }
}
