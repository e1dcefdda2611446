//! Numbers for the layers that lead to flows.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::traffic::layer::Layer;

/// Most paths. VNIs can be forged: flows behind further ones are flows of their outermost network alone.
const LIMIT: u16 = 16_384;

/// The number of a path; 0 is the empty one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct PathId(u16);

/// The paths so far.
#[derive(Default)]
pub(super) struct Paths {
    ids: HashMap<Vec<Layer>, u16, RandomState>,
    all: Vec<Vec<Layer>>,
    /// Packets behind paths that found no number.
    pub(super) overflow: u64,
}

impl Paths {
    /// The number of these layers.
    #[inline]
    pub(super) fn id(&mut self, layers: &[Layer]) -> PathId {
        if layers.is_empty() {
            return PathId::default();
        }
        self.numbered(layers)
    }

    fn numbered(&mut self, layers: &[Layer]) -> PathId {
        if let Some(id) = self.ids.get(layers) {
            return PathId(*id);
        }
        // The limit is far below 2^16.
        let id = self.all.len() as u16 + 1;
        if id > LIMIT {
            self.overflow += 1;
            return PathId::default();
        }
        self.ids.insert(layers.to_vec(), id);
        self.all.push(layers.to_vec());
        PathId(id)
    }

    /// The layers of a number.
    pub(super) fn layers(&self, id: PathId) -> &[Layer] {
        let index = usize::from(id.0).checked_sub(1);
        index
            .and_then(|index| self.all.get(index))
            .map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traffic::layer::Wrapping;

    #[test]
    fn paths_are_numbered_once_and_bounded() {
        let path = |vni| {
            [Layer {
                wrapping: Wrapping::Gre,
                vni: Some(vni),
            }]
        };
        let mut paths = Paths::default();
        assert_eq!(paths.id(&[]), PathId(0));
        for vni in 0..20_000 {
            let id = paths.id(&path(vni));
            assert_eq!(paths.id(&path(vni)), id);
            if vni < LIMIT.into() {
                assert_eq!(paths.layers(id), path(vni));
            } else {
                assert_eq!(id, PathId(0));
            }
        }
        assert_eq!(paths.overflow, 2 * (20_000 - u64::from(LIMIT)));
        assert_eq!(paths.layers(PathId(0)), []);
    }
}
