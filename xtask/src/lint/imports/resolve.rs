//! Finds the file that a path leads to, through imports and re-exports.

use super::tree::Crate;

/// Where a path leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// To a module.
    Module(usize),
    /// To an item of a module.
    Item(usize),
}

impl Place {
    pub(super) fn module(self) -> usize {
        match self {
            Place::Module(module) | Place::Item(module) => module,
        }
    }
}

impl Crate {
    /// Where `path` in `module` leads; `None`: to another crate, or to a name that is no module's.
    pub(super) fn resolve(&self, module: usize, path: &[String]) -> Option<Place> {
        self.walk(module, path, &mut Vec::new())
    }

    fn walk<'a>(
        &'a self,
        from: usize,
        path: &'a [String],
        visited: &mut Vec<(usize, &'a str)>,
    ) -> Option<Place> {
        let (first, mut rest) = path.split_first()?;
        let mut place = match first.as_str() {
            "crate" => Place::Module(0),
            "self" => Place::Module(from),
            "super" => Place::Module(self.modules[from].parent?),
            "Self" => return None,
            name => self.look_up(from, name, rest.is_empty(), visited)?,
        };
        while let (Place::Module(module), Some((name, after))) = (place, rest.split_first()) {
            place = if name == "super" {
                Place::Module(self.modules[module].parent?)
            } else {
                match self.look_up(module, name, after.is_empty(), visited) {
                    Some(place) => place,
                    // An import of another crate's.
                    None if self.modules[module].imports.contains_key(name.as_str()) => {
                        return None;
                    }
                    // A macro may have made it.
                    None => Place::Item(module),
                }
            };
            rest = after;
        }
        Some(place)
    }

    /// What a name means in a module.
    fn look_up<'a>(
        &'a self,
        module: usize,
        name: &'a str,
        is_last: bool,
        visited: &mut Vec<(usize, &'a str)>,
    ) -> Option<Place> {
        let scope = &self.modules[module];
        let is_item = scope.items.contains(name);
        match scope.children.get(name) {
            // A function and a module may have one name.
            Some(child) if !(is_last && is_item) => return Some(Place::Module(*child)),
            _ if is_item => return Some(Place::Item(module)),
            _ => {}
        }
        if visited.contains(&(module, name)) {
            return None;
        }
        visited.push((module, name));
        if let Some(path) = scope.imports.get(name) {
            return self.walk(module, path, visited);
        }
        scope.globs.iter().find_map(|glob| {
            let Place::Module(of) = self.walk(module, glob, visited)? else {
                return None;
            };
            self.look_up(of, name, is_last, visited)
        })
    }
}
