//! The steps of one packet, in order, the same at every hook.
//!
//! Each step is a function of its own in the kernel, with its own frame on the stack. What one step finds for the next
//! is in [`crate::walked`], of which the verifier assumes nothing: so each is verified once, not once for every path
//! that leads to it. The verifier adds up the stack of the functions that call each other, and allows 512 bytes: the
//! steps are called one after the other from here, so the deepest chain is this function, a step, and what that calls.

use monitor_common::direction::Direction;
use monitor_common::link::Link;

use crate::ctx::{Hook, Reach, View};
use crate::inner::InnerStep;
use crate::outer::Step;
use crate::{account_flow, inner, outer, sample, super_packet, usual};

/// Takes the steps of the packet of a context, which starts with `link`.
///
/// A step that needs bytes beyond those at hand returns before it has counted anything, and is repeated on a copy: first of
/// the bytes that headers usually take, then of as many as they can take.
#[inline(always)]
pub fn run<H: Hook>(context: *mut H::Context, direction: Direction, link: Link) {
    let mut next = match link {
        Link::Ethernet => match usual_shape::<H>(context, direction) {
            Step::Done => return,
            // Else the compiler continues each way there with a copy of the rest, which the verifier follows again.
            step => step.opaque(),
        },
        Link::Ip | Link::Other => Step::Walk,
    };
    if let Step::Walk = next {
        next = network::<H>(context, link);
        if H::MAY_BE_PARTIAL
            && let Step::NeedsBytes = next
        {
            next = network_copied::<H>(context, link, Reach::Usual);
            if let Step::NeedsBytes = next {
                next = network_copied::<H>(context, link, Reach::Whole);
            }
        }
    }
    if let Step::Encapsulation = next {
        next = encapsulation::<H>(context);
        if H::MAY_BE_PARTIAL
            && let Step::NeedsBytes = next
        {
            next = encapsulation_copied::<H>(context, Reach::Usual);
            if let Step::NeedsBytes = next {
                next = encapsulation_copied::<H>(context, Reach::Whole);
            }
        }
    }
    if let Step::Null = next {
        next = null::<H>(context);
    }
    if let Step::Count = next {
        if H::MAY_BE_SUPER_PACKET {
            segment_headers::<H>(context);
        }
        next = count::<H>(context, direction);
    }
    if let Step::Inside = next {
        let mut inside = inner_network::<H>(context);
        if H::MAY_BE_PARTIAL
            && let InnerStep::NeedsBytes = inside
        {
            inside = inner_network_copied::<H>(context, Reach::Usual);
            if let InnerStep::NeedsBytes = inside {
                inside = inner_network_copied::<H>(context, Reach::Whole);
            }
        }
        if let InnerStep::Flow = inside
            && let InnerStep::NeedsBytes = inner_flow::<H>(context)
            && H::MAY_BE_PARTIAL
            && let InnerStep::NeedsBytes = inner_flow_copied::<H>(context, Reach::Usual)
        {
            inner_flow_copied::<H>(context, Reach::Whole);
        }
        next = account::<H>(context, direction);
    }
    if let Step::Sample = next {
        take_sample::<H>(context, direction);
    }
}

/// Counts a packet of the usual shape.
#[inline(always)]
fn usual_shape<H: Hook>(context: *mut H::Context, direction: Direction) -> Step {
    match View::<H, _>::linear(context) {
        Some(packet) => usual::count(&packet, direction),
        None => Step::Done,
    }
}

/// Declares the steps: a function that is not inlined for each.
macro_rules! steps {
    ($(
        $name:ident($($argument:ident: $kind:ty),*) -> $out:ty
            = $step:path, $view:ident($($with:ident: $with_kind:ty)?);
    )+) => {
        $(
            #[inline(never)]
            fn $name<H: Hook>(
                context: *mut H::Context,
                $($argument: $kind,)*
                $($with: $with_kind)?
            ) -> $out {
                match View::<H, _>::$view(context, $($with)?) {
                    Some(packet) => $step(&packet, $($argument),*),
                    None => Default::default(),
                }
            }
        )+
    };
}

steps! {
    network(link: Link) -> Step = outer::network, linear();
    network_copied(link: Link) -> Step = outer::network, copied(reach: Reach);
    encapsulation() -> Step = outer::encapsulation, linear();
    encapsulation_copied() -> Step = outer::encapsulation, copied(reach: Reach);
    null() -> Step = outer::null, linear();
    count(direction: Direction) -> Step = outer::count, linear();
    inner_network() -> InnerStep = inner::network, linear();
    inner_network_copied() -> InnerStep = inner::network, copied(reach: Reach);
    inner_flow() -> InnerStep = inner::flow, linear();
    inner_flow_copied() -> InnerStep = inner::flow, copied(reach: Reach);
    account(direction: Direction) -> Step = account_flow::account, linear();
    take_sample(direction: Direction) -> () = sample::take, linear();
}

#[inline(never)]
fn segment_headers<H: Hook>(context: *mut H::Context) {
    // Most frames are single packets, and need no copy.
    let is_one = View::<H, _>::linear(context).is_none_or(|packet| super_packet::is_one(&packet));
    if !is_one && let Some(packet) = View::<H, _>::copied(context, Reach::Usual) {
        super_packet::segment_headers(&packet);
    }
}
