//! Reads a crate into modules: what each defines, imports and mentions. Code of tests is left out.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, ImplItem, Item, ItemMod, ItemUse, Macro, Meta, UseTree};

/// The modules of one crate. The first is the crate's root.
#[derive(Debug, Default)]
pub(super) struct Crate {
    pub(super) modules: Vec<Module>,
    /// Paths below the workspace.
    pub(super) files: Vec<PathBuf>,
}

/// A module: a file, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Module {
    pub(super) parent: Option<usize>,
    /// Index of its file.
    pub(super) file: usize,
    pub(super) children: HashMap<String, usize>,
    /// Names that it defines.
    pub(super) items: HashSet<String>,
    /// Names that it imports, and from where.
    pub(super) imports: HashMap<String, Vec<String>>,
    /// Paths whose content it imports.
    pub(super) globs: Vec<Vec<String>>,
    pub(super) mentions: Vec<Mention>,
}

/// A path that stands in a module.
#[derive(Debug)]
pub(super) struct Mention {
    pub(super) path: Vec<String>,
    pub(super) line: usize,
    pub(super) kind: Kind,
}

/// How a path is mentioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its item is used here.
    Use,
    /// Everything in it is imported.
    Glob,
    /// It is handed on by `pub use`, and not used here.
    ReExport,
}

impl Crate {
    /// Reads the crate whose root is this file. `workspace` is taken off the paths.
    pub(super) fn read(workspace: &Path, root: &Path) -> Result<Self> {
        let mut reader = Reader {
            workspace,
            tree: Crate::default(),
            module: 0,
            folder: root.parent().unwrap_or(workspace).to_owned(),
            failure: None,
        };
        reader.file(root, None)?;
        Ok(reader.tree)
    }
}

struct Reader<'a> {
    workspace: &'a Path,
    tree: Crate,
    /// The module that is read.
    module: usize,
    /// Where the files of its children are.
    folder: PathBuf,
    failure: Option<anyhow::Error>,
}

impl Reader<'_> {
    /// Reads a file as a module of `parent`.
    fn file(&mut self, path: &Path, parent: Option<usize>) -> Result<usize> {
        let text = crate::paths::read(path)?;
        let parsed =
            syn::parse_file(&text).with_context(|| format!("cannot parse {}", path.display()))?;
        let below = path.strip_prefix(self.workspace).unwrap_or(path);
        self.tree.files.push(below.to_owned());
        let file = self.tree.files.len() - 1;
        let module = self.enter(parent, file);
        for item in &parsed.items {
            self.visit_item(item);
        }
        match self.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(module),
        }
    }

    fn enter(&mut self, parent: Option<usize>, file: usize) -> usize {
        self.tree.modules.push(Module {
            parent,
            file,
            ..Module::default()
        });
        self.module = self.tree.modules.len() - 1;
        self.module
    }

    fn now(&mut self) -> &mut Module {
        &mut self.tree.modules[self.module]
    }

    fn child(&mut self, item: &ItemMod) -> Result<()> {
        let name = item.ident.to_string();
        let outer = (self.module, self.folder.clone());
        let inner = self.folder.join(&name);
        let child = match &item.content {
            Some((_, items)) => {
                self.folder = inner;
                let file = self.now().file;
                let child = self.enter(Some(outer.0), file);
                for item in items {
                    self.visit_item(item);
                }
                child
            }
            None => {
                let beside = self.folder.join(format!("{name}.rs"));
                let (path, folder) = if let Some(named) = named_path(&item.attrs) {
                    let own = &self.tree.files[self.tree.modules[self.module].file];
                    let own = self.workspace.join(own);
                    let path = own.parent().unwrap_or(self.workspace).join(named);
                    let path = path
                        .canonicalize()
                        .with_context(|| format!("cannot find {}", path.display()))?;
                    let folder = path.parent().unwrap_or(self.workspace).to_owned();
                    (path, folder)
                } else if beside.is_file() {
                    (beside, inner)
                } else {
                    (inner.join("mod.rs"), inner)
                };
                self.folder = folder;
                self.file(&path, Some(outer.0))?
            }
        };
        (self.module, self.folder) = outer;
        self.now().children.insert(name, child);
        Ok(())
    }

    fn mention(&mut self, path: Vec<String>, span: Span, kind: Kind) {
        let line = span.start().line;
        self.now().mentions.push(Mention { path, line, kind });
    }

    fn import(&mut self, tree: &UseTree, before: &[String], kind: Kind) {
        let joined = |name: &Ident| [before, &[name.to_string()]].concat();
        let (name, path, span) = match tree {
            UseTree::Path(path) => return self.import(&path.tree, &joined(&path.ident), kind),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before, kind);
                }
                return;
            }
            UseTree::Glob(glob) => {
                self.now().globs.push(before.to_vec());
                let kind = if kind == Kind::Use { Kind::Glob } else { kind };
                return self.mention(before.to_vec(), glob.star_token.spans[0], kind);
            }
            UseTree::Name(name) => (&name.ident, joined(&name.ident), name.ident.span()),
            UseTree::Rename(renamed) => (
                &renamed.rename,
                joined(&renamed.ident),
                renamed.ident.span(),
            ),
        };
        // `use a::{self, B}` names `a`.
        let (name, path) = match path.split_last() {
            Some((last, rest)) if last == "self" && !rest.is_empty() => {
                let own = name.to_string();
                let name = if own == "self" {
                    rest[rest.len() - 1].clone()
                } else {
                    own
                };
                (name, rest.to_vec())
            }
            _ => (name.to_string(), path),
        };
        self.mention(path.clone(), span, kind);
        self.now().imports.insert(name, path);
    }

    /// Paths in the arguments of a macro, which is not expanded.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<Ident> = Vec::new();
        let mut colons = 0;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    if colons != 2 {
                        self.token_path(std::mem::take(&mut path));
                    }
                    path.push(ident);
                    colons = 0;
                }
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                other => {
                    self.token_path(std::mem::take(&mut path));
                    colons = 0;
                    if let TokenTree::Group(group) = other {
                        self.tokens(group.stream());
                    }
                }
            }
        }
        self.token_path(path);
    }

    fn token_path(&mut self, path: Vec<Ident>) {
        let Some(first) = path.first() else { return };
        let span = first.span();
        let path: Vec<String> = path.iter().map(Ident::to_string).collect();
        // A single word in lower case may be anything.
        if path.len() > 1 || path[0].starts_with(char::is_uppercase) {
            self.mention(path, span, Kind::Use);
        }
    }
}

impl<'ast> Visit<'ast> for Reader<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if self.failure.is_some() || only_tests(attributes(item)) {
            return;
        }
        if let Some(name) = defined(item) {
            self.now().items.insert(name);
        }
        visit::visit_item(self, item);
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes = match item {
            ImplItem::Fn(item) => &item.attrs[..],
            ImplItem::Const(item) => &item.attrs,
            _ => &[],
        };
        if !only_tests(attributes) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if let Err(failure) = self.child(item) {
            self.failure = Some(failure);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        // `use ::x` is another crate.
        if item.leading_colon.is_none() {
            let private = matches!(item.vis, syn::Visibility::Inherited);
            let kind = if private { Kind::Use } else { Kind::ReExport };
            self.import(&item.tree, &[], kind);
        }
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        // A word in lower case is a function only where it is called: elsewhere it may be a variable.
        if let Expr::Call(call) = expr
            && let Expr::Path(path) = &*call.func
            && let Some(name) = path.path.get_ident()
        {
            self.mention(vec![name.to_string()], name.span(), Kind::Use);
        }
        visit::visit_expr(self, expr);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let words = path
                .segments
                .iter()
                .map(|segment| segment.ident.to_string());
            let words: Vec<String> = words.collect();
            let first = &path.segments[0].ident;
            if words.len() > 1 || words[0].starts_with(char::is_uppercase) {
                self.mention(words, first.span(), Kind::Use);
            }
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        visit::visit_macro(self, call);
        self.tokens(call.tokens.clone());
    }

    fn visit_attribute(&mut self, _: &'ast Attribute) {}
}

/// The value of `#[path = "…"]`.
fn named_path(attributes: &[Attribute]) -> Option<String> {
    attributes
        .iter()
        .find_map(|attribute| match &attribute.meta {
            Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
                Expr::Lit(literal) => match &literal.lit {
                    syn::Lit::Str(text) => Some(text.value()),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        })
}

/// The name that an item defines for others.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Whether these attributes keep an item out of every build but that of the tests.
fn only_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::Path(path) => path.is_ident("test"),
        Meta::List(list) if list.path.is_ident("cfg") => needs_test(&list.tokens),
        _ => false,
    })
}

/// `test`, or `all(…)` with it.
fn needs_test(condition: &TokenStream) -> bool {
    let mut tokens = condition.clone().into_iter();
    match (tokens.next(), tokens.next()) {
        (Some(TokenTree::Ident(word)), None) => word == "test",
        (Some(TokenTree::Ident(word)), Some(TokenTree::Group(group))) if word == "all" => {
            let mut parts = vec![TokenStream::new()];
            for token in group.stream() {
                match token {
                    TokenTree::Punct(punct) if punct.as_char() == ',' => {
                        parts.push(TokenStream::new())
                    }
                    token => parts
                        .last_mut()
                        .into_iter()
                        .for_each(|part| part.extend([token.clone()])),
                }
            }
            parts.iter().any(needs_test)
        }
        _ => false,
    }
}
