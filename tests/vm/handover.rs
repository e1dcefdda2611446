//! One agent ends and the next goes on, where the programs are filters of clsact.

use overlay_tests::handover::goes_on;

#[test]
fn at_tc_the_next_agent_goes_on_where_the_first_ended() {
    goes_on("tc");
}
