//! Hash tables that each scrape passes row by row.

/// A table whose hash is seeded at random and costs less than that of the standard library, which takes a third of the time of
/// a scrape of many networks.
pub type HashMap<K, V> = std::collections::HashMap<K, V, foldhash::fast::RandomState>;

/// The same without values.
pub type HashSet<K> = std::collections::HashSet<K, foldhash::fast::RandomState>;
