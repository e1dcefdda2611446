//! Circles in a directed graph.

use std::collections::BTreeSet;

/// The groups of nodes that reach each other, each of at least two.
pub(super) fn groups(nodes: usize, edges: &BTreeSet<(usize, usize)>) -> Vec<Vec<usize>> {
    let reachable: Vec<BTreeSet<usize>> = (0..nodes).map(|node| reach(node, edges)).collect();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for node in 0..nodes {
        if groups.iter().any(|group| group.contains(&node)) {
            continue;
        }
        let both = |other: &usize| {
            *other == node || (reachable[node].contains(other) && reachable[*other].contains(&node))
        };
        let group: Vec<usize> = (0..nodes).filter(both).collect();
        if group.len() > 1 {
            groups.push(group);
        }
    }
    groups
}

fn reach(from: usize, edges: &BTreeSet<(usize, usize)>) -> BTreeSet<usize> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        for (_, to) in edges.range((node, 0)..=(node, usize::MAX)) {
            if seen.insert(*to) {
                next.push(*to);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_reaches_itself_is_in_a_group() {
        let edges = BTreeSet::from([(0, 1), (1, 2), (2, 1), (2, 3), (4, 5), (5, 6), (6, 4)]);
        assert_eq!(groups(8, &edges), [vec![1, 2], vec![4, 5, 6]]);
        assert_eq!(
            groups(2, &BTreeSet::from([(0, 1)])),
            Vec::<Vec<usize>>::new()
        );
    }
}
