//! Reads what Rust's test harness prints.

/// What was counted so far, over all test programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// Names of failed tests.
    pub(crate) failures: Vec<String>,
    /// Test programs that began.
    started: u64,
    /// Test programs that printed their result.
    finished: u64,
    /// The test program that runs, where the output names it.
    program: String,
    /// Test programs that the output named.
    named: usize,
    /// Failures before the one that runs.
    failures_before: usize,
}

impl Tally {
    /// Takes one line of output.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(program) = line.trim_start().strip_prefix("Running ") {
            self.lose();
            self.program = crate::proc::printable(program);
            self.named += 1;
            self.failures_before = self.failures.len();
        } else if let Some(rest) = line.strip_prefix("test result: ") {
            if let Some((passed, failed, ignored)) = result(rest) {
                self.finished += 1;
                self.passed += passed;
                self.failed += failed;
                self.ignored += ignored;
            }
        } else if let Some(rest) = line.strip_prefix("test ") {
            // A test's own output may stand between its name and the word.
            if let Some(name) = rest.strip_suffix(" ... FAILED") {
                self.failures.push(crate::proc::printable(name));
            }
        } else if let Some(rest) = line.strip_prefix("running ")
            && (rest.ends_with(" test") || rest.ends_with(" tests"))
        {
            self.started += 1;
        }
    }

    /// Takes a test program that ended without its result (it was killed,
    /// aborted, or never ran) as one failed test called `name`.
    pub(crate) fn settle(&mut self, name: &str, succeeded: bool) {
        if self.program.is_empty() {
            self.program = name.to_owned();
        }
        self.lose();
        if !succeeded && self.failed == 0 {
            self.failed = 1;
            self.failures
                .push(format!("{name}: failed before any test did; see above"));
        }
    }

    /// Forgets the test program that runs, which is to run again, and gives how many have ended before it.
    pub(crate) fn begin_again(&mut self) -> usize {
        if self.started > self.finished {
            self.started = self.finished;
            self.failures.truncate(self.failures_before);
            self.named -= 1;
        }
        self.named
    }

    /// Counts a program that began and never printed its result.
    fn lose(&mut self) {
        let lost = self.started.saturating_sub(self.finished);
        if lost > 0 {
            self.failed += lost;
            self.failures.push(format!(
                "{}: ended without a result; see its output above",
                self.program
            ));
        }
        self.started = self.finished;
    }

    /// Adds another step's counts; `place` says where its tests ran.
    pub(crate) fn add(&mut self, other: &Self, place: &str) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
        self.failures.extend(
            other
                .failures
                .iter()
                .map(|name| format!("{name} ({place})")),
        );
    }
}

/// `ok. 3 passed; 0 failed; 1 ignored; …`
fn result(rest: &str) -> Option<(u64, u64, u64)> {
    let counts = rest.split_once(". ")?.1;
    let count = |what: &str| {
        counts
            .split(';')
            .filter_map(|part| part.trim().split_once(' '))
            .find(|(_, name)| *name == what)
            .and_then(|(number, _)| number.parse().ok())
    };
    Some((count("passed")?, count("failed")?, count("ignored")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(text: &str) -> Tally {
        let mut tally = Tally::default();
        text.lines().for_each(|line| tally.line(line));
        tally
    }

    #[test]
    fn results_add_up() {
        let tally = tally(
            "running 2 tests\ntest a ... ok\ntest b::c ... FAILED\n\
             test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.00s\n\
             running 1 test\ntest d ... ignored\n\
             test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n",
        );
        assert_eq!((tally.passed, tally.failed, tally.ignored), (1, 1, 1));
        assert_eq!(tally.failures, ["b::c"]);
    }

    #[test]
    fn aborted_program_counts_as_a_failure() {
        let mut aborted = tally("running 5 tests\ntest a ... ok\n");
        aborted.settle("kernel_x", false);
        assert_eq!((aborted.passed, aborted.failed), (0, 1));
        assert!(aborted.failures[0].starts_with("kernel_x"));
        // Also when another program of the same run failed in the ordinary way.
        let mut both = tally(
            "running 1 test\ntest a ... FAILED\ntest result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured\nrunning 1 test\n",
        );
        both.settle("cargo test", false);
        assert_eq!(both.failed, 2);
    }

    #[test]
    fn aborted_program_is_named() {
        let mut tally = tally(
            "     Running vm_one\nrunning 1 test\n     Running vm_two\nrunning 0 tests\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured\n",
        );
        tally.settle("the run", false);
        assert_eq!(tally.failed, 1);
        assert!(
            tally.failures[0].starts_with("vm_one:"),
            "{:?}",
            tally.failures
        );
    }

    #[test]
    fn a_program_that_begins_again_counts_once() {
        let first = "     Running vm_one\nrunning 1 test\ntest a ... FAILED\n\
             test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured\n";
        let mut again = tally(&format!(
            "{first}     Running vm_two\nrunning 2 tests\ntest b ... FAILED\n"
        ));
        assert_eq!(again.begin_again(), 1);
        assert_eq!(again.failures, ["a"]);
        let second = "     Running vm_two\nrunning 2 tests\ntest result: ok. 2 passed; 0 failed; 0 ignored; 0 measured\n";
        second.lines().for_each(|line| again.line(line));
        again.settle("the run", false);
        assert_eq!(
            (again.passed, again.failed, again.failures.len()),
            (2, 1, 1)
        );
        // Between two programs.
        assert_eq!(tally(first).begin_again(), 1);
    }

    #[test]
    fn what_did_not_even_start_counts_as_a_failure() {
        let mut tally = Tally::default();
        tally.settle("cargo test", false);
        assert_eq!(tally.failed, 1);
        let mut fine = Tally::default();
        fine.settle("cargo test", true);
        assert_eq!((fine.failed, fine.failures.len()), (0, 0));
    }

    #[test]
    fn other_lines_are_left_alone() {
        assert_eq!(
            tally("test result: nonsense\nrunning around\ntest\n"),
            Tally::default()
        );
    }
}
