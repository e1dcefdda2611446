//! Packets that the kernel's IPsec dropped, by the kernel's reasons: `/proc/net/xfrm_stat` (net/xfrm/xfrm_proc.c and
//! Documentation/networking/xfrm_proc.rst).

use std::collections::BTreeMap;

use crate::base::procfs::read;

/// The counters of this thread's network namespace.
const COUNTERS: &str = "/proc/thread-self/net/xfrm_stat";

macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident = $kernel:literal, $label:literal;)+) => {
        /// Why IPsec dropped a packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum XfrmError {
            $($(#[$doc])* $name,)+
            /// A reason of a newer kernel that is not in this list.
            Other,
        }

        impl XfrmError {
            /// Every reason.
            pub const ALL: &[XfrmError] = &[$(XfrmError::$name,)+ XfrmError::Other];

            /// The kernel's name, as in `/proc/net/xfrm_stat`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(XfrmError::$name => $kernel,)+
                    XfrmError::Other => "others",
                }
            }

            /// The value of the metric label `reason`.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(XfrmError::$name => $label,)+
                    XfrmError::Other => "other",
                }
            }
        }
    };
}

errors! {
    /// Received, and none of the other reasons.
    InError = "XfrmInError", "in_error";
    /// Received, and no memory was left.
    InBufferError = "XfrmInBufferError", "in_buffer_error";
    /// Received, and the header is wrong.
    InHdrError = "XfrmInHdrError", "in_hdr_error";
    /// Received, and there is no association for it: SPI, address or protocol is wrong.
    InNoStates = "XfrmInNoStates", "in_no_states";
    /// Received, and the transformation failed, as with a wrong key.
    InStateProtoError = "XfrmInStateProtoError", "in_state_proto_error";
    /// Received, and the mode does not fit.
    InStateModeError = "XfrmInStateModeError", "in_state_mode_error";
    /// Received, and the sequence number is outside the window.
    InStateSeqError = "XfrmInStateSeqError", "in_state_seq_error";
    /// Received, and the association had expired.
    InStateExpired = "XfrmInStateExpired", "in_state_expired";
    /// Received, and an option does not fit, as ESP in UDP.
    InStateMismatch = "XfrmInStateMismatch", "in_state_mismatch";
    /// Received, and the association is not valid.
    InStateInvalid = "XfrmInStateInvalid", "in_state_invalid";
    /// Received, and no template of a policy fits: cleartext where ESP must be, too.
    InTmplMismatch = "XfrmInTmplMismatch", "in_tmpl_mismatch";
    /// Received, and there is no policy for the association.
    InNoPols = "XfrmInNoPols", "in_no_pols";
    /// Received, and a policy discards it.
    InPolBlock = "XfrmInPolBlock", "in_pol_block";
    /// Received, and a policy is wrong.
    InPolError = "XfrmInPolError", "in_pol_error";
    /// Sent, and none of the other reasons.
    OutError = "XfrmOutError", "out_error";
    /// Sent, and no bundle could be made.
    OutBundleGenError = "XfrmOutBundleGenError", "out_bundle_gen_error";
    /// Sent, and a bundle is not valid any more.
    OutBundleCheckError = "XfrmOutBundleCheckError", "out_bundle_check_error";
    /// Sent, and there is no association for it.
    OutNoStates = "XfrmOutNoStates", "out_no_states";
    /// Sent, and the transformation failed.
    OutStateProtoError = "XfrmOutStateProtoError", "out_state_proto_error";
    /// Sent, and the mode does not fit.
    OutStateModeError = "XfrmOutStateModeError", "out_state_mode_error";
    /// Sent, and the sequence numbers are used up.
    OutStateSeqError = "XfrmOutStateSeqError", "out_state_seq_error";
    /// Sent, and the association had expired.
    OutStateExpired = "XfrmOutStateExpired", "out_state_expired";
    /// Sent, and a policy discards it.
    OutPolBlock = "XfrmOutPolBlock", "out_pol_block";
    /// Sent, and the policy is gone.
    OutPolDead = "XfrmOutPolDead", "out_pol_dead";
    /// Sent, and a policy is wrong.
    OutPolError = "XfrmOutPolError", "out_pol_error";
    /// Forwarded, and that is not allowed.
    FwdHdrError = "XfrmFwdHdrError", "fwd_hdr_error";
    /// Sent, and the association is not valid.
    OutStateInvalid = "XfrmOutStateInvalid", "out_state_invalid";
    /// The association was not there yet.
    AcquireError = "XfrmAcquireError", "acquire_error";
    /// Sent, and the association is one for receiving (Linux 6.10 and later).
    OutStateDirError = "XfrmOutStateDirError", "out_state_dir_error";
    /// Received, and the association is one for sending (Linux 6.10 and later).
    InStateDirError = "XfrmInStateDirError", "in_state_dir_error";
    /// Received, and the IP-TFS payload is wrong (Linux 6.14 and later).
    InIptfsError = "XfrmInIptfsError", "in_iptfs_error";
    /// Sent, and the IP-TFS queue is full (Linux 6.14 and later).
    OutNoQueueSpace = "XfrmOutNoQueueSpace", "out_no_queue_space";
}

/// Dropped packets by reason in this thread's network namespace, since it exists; empty if the kernel has no such
/// counters (`CONFIG_XFRM_STATISTICS`).
#[must_use]
pub fn errors() -> BTreeMap<XfrmError, u64> {
    parse(&read(COUNTERS))
}

fn parse(text: &str) -> BTreeMap<XfrmError, u64> {
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let Some((name, packets)) = line.split_once(char::is_whitespace) else {
            continue;
        };
        let Ok(packets) = packets.trim().parse::<u64>() else {
            continue;
        };
        let known = XfrmError::ALL.iter().find(|reason| reason.name() == name);
        let sum: &mut u64 = all
            .entry(known.copied().unwrap_or(XfrmError::Other))
            .or_default();
        *sum = sum.saturating_add(packets);
    }
    all
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_line_is_a_reason_and_new_ones_are_summed() {
        let text = "XfrmInError             \t0\nXfrmInNoStates          \t12\nXfrmOutStateSeqError \t3\n\
                    XfrmInOfTomorrow\t4\nXfrmInOfTheDayAfter\t5\nnonsense\nXfrmInHdrError -1\n";
        let found: Vec<_> = parse(text).into_iter().collect();
        assert_eq!(
            found,
            [
                (XfrmError::InError, 0),
                (XfrmError::InNoStates, 12),
                (XfrmError::OutStateSeqError, 3),
                (XfrmError::Other, 9),
            ]
        );
        assert!(parse("").is_empty());
    }

    #[test]
    fn each_reason_has_its_own_name_and_label() {
        let all = XfrmError::ALL;
        let names: BTreeSet<_> = all.iter().map(|reason| reason.name()).collect();
        let labels: BTreeSet<_> = all.iter().map(|reason| reason.label()).collect();
        assert_eq!((names.len(), labels.len()), (all.len(), all.len()));
        for reason in all {
            let plain = reason.label().replace('_', "");
            let is_other = *reason == XfrmError::Other;
            assert!(is_other || reason.name().to_lowercase() == format!("xfrm{plain}"));
        }
    }
}
