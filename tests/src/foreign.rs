//! Another owner's program at TC ingress of `eth0`: a copy of ours in this process, with maps of its own.

use aya::programs::tc::TcAttachOptions;
use aya::programs::{ProgramError, TcAttachType};
use monitor::base::interface::Interface;
use monitor::kernel::{Kernel, LoadOptions};
use monitor_common::count::Count;
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::key::CounterKey;
use monitor_lab::Host;

/// The program; detached when this is dropped.
pub struct Foreign {
    kernel: Kernel,
    ifindex: u32,
}

impl Foreign {
    /// Attaches it on a host.
    ///
    /// # Errors
    /// When this kernel has no such hook.
    pub fn attach(
        host: &Host,
        options: impl FnOnce() -> TcAttachOptions + Send,
    ) -> Result<Foreign, ProgramError> {
        let attached = host.enter(|| {
            let ifindex = Interface::by_name("eth0").unwrap().index;
            let only_count = LoadOptions {
                sample_every: 0,
                flow_samples: 0,
                ..LoadOptions::default()
            };
            let mut kernel = Kernel::new(&only_count).unwrap();
            let program = kernel.tc(Direction::Rx).unwrap();
            program.attach_with_options("eth0", TcAttachType::Ingress, options())?;
            Ok(Foreign { kernel, ifindex })
        });
        attached.unwrap()
    }

    /// What it has counted of a VNI in VXLAN.
    #[must_use]
    pub fn received(&self, vni: u32) -> Count {
        let key = CounterKey::new(self.ifindex, Direction::Rx, Encapsulation::Vxlan, vni);
        self.kernel.counters().unwrap()[&key]
    }
}
