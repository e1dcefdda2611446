//! Which networks the kernel counts the cleartext of, compared with which it must.
//!
//! The kernel can refuse a change for the moment. What it refused is tried again until it holds, however the list of
//! networks changes meanwhile.

use std::collections::BTreeSet;

use crate::base::failure::Failure;

/// The VNIs that must be encrypted, and what the kernel has of them.
#[derive(Debug, Default)]
pub(super) struct Requirements {
    wanted: BTreeSet<u32>,
    /// What the kernel has: changed only after it took a change.
    held: BTreeSet<u32>,
}

impl Requirements {
    /// Sets which VNIs must be encrypted. [`Requirements::write`] brings them to the kernel.
    pub(super) fn want(&mut self, vnis: BTreeSet<u32>) {
        self.wanted = vnis;
    }

    /// Whether a network must be encrypted.
    pub(super) fn has(&self, vni: u32) -> bool {
        self.wanted.contains(&vni)
    }

    /// Whether the kernel has them all.
    pub(super) fn are_written(&self) -> bool {
        self.wanted == self.held
    }

    /// Writes with `set` what the kernel does not have yet, and goes on past a VNI that it refuses.
    ///
    /// # Errors
    /// The first refusal. The next call tries those that were refused again.
    pub(super) fn write(
        &mut self,
        mut set: impl FnMut(u32, bool) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        if self.are_written() {
            return Ok(());
        }
        let changes: Vec<u32> = self
            .wanted
            .symmetric_difference(&self.held)
            .copied()
            .collect();
        let mut result = Ok(());
        for vni in changes {
            let required = self.wanted.contains(&vni);
            match set(vni, required) {
                Ok(()) if required => drop(self.held.insert(vni)),
                Ok(()) => drop(self.held.remove(&vni)),
                Err(failure) => result = result.and(Err(failure)),
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    /// A kernel that refuses some VNIs.
    #[derive(Default)]
    struct Refusing {
        has: BTreeSet<u32>,
        refused: BTreeSet<u32>,
        calls: usize,
    }

    impl Refusing {
        fn write(&mut self, requirements: &mut Requirements) -> Result<(), Failure> {
            requirements.write(|vni, required| {
                self.calls += 1;
                if self.refused.contains(&vni) {
                    return Err(Failure::runtime(anyhow!("VNI {vni}: the map is full")));
                }
                if required {
                    self.has.insert(vni);
                } else {
                    self.has.remove(&vni);
                }
                Ok(())
            })
        }
    }

    #[test]
    fn a_refused_network_holds_up_no_other_and_is_tried_again() {
        let mut requirements = Requirements::default();
        let mut kernel = Refusing {
            refused: [1, 3].into(),
            ..Refusing::default()
        };
        requirements.want([1, 2, 3, 4].into());
        let failure = kernel.write(&mut requirements).unwrap_err();
        assert!(failure.to_string().contains("VNI 1"), "{failure}");
        assert_eq!(kernel.has, [2, 4].into());

        // The list is the same as before, and the kernel takes one more.
        kernel.refused = [3].into();
        requirements.want([1, 2, 3, 4].into());
        kernel.calls = 0;
        assert!(kernel.write(&mut requirements).is_err());
        assert_eq!((kernel.has.clone(), kernel.calls), ([1, 2, 4].into(), 2));

        kernel.refused.clear();
        kernel.write(&mut requirements).unwrap();
        assert_eq!(kernel.has, [1, 2, 3, 4].into());
        kernel.calls = 0;
        kernel.write(&mut requirements).unwrap();
        assert_eq!(kernel.calls, 0, "nothing is left to write");
    }

    #[test]
    fn a_requirement_that_cannot_be_removed_is_tried_again() {
        let mut requirements = Requirements::default();
        let mut kernel = Refusing::default();
        requirements.want([1, 2].into());
        kernel.write(&mut requirements).unwrap();
        kernel.refused = [1].into();
        requirements.want([3].into());
        assert!(kernel.write(&mut requirements).is_err());
        assert_eq!(kernel.has, [1, 3].into());
        kernel.refused.clear();
        kernel.write(&mut requirements).unwrap();
        assert_eq!(kernel.has, [3].into());
        kernel.calls = 0;
        kernel.write(&mut requirements).unwrap();
        assert_eq!(kernel.calls, 0, "nothing is left to remove");
    }
}
