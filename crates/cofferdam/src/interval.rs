//! How sure a counted share is.

/// The 95 % interval (Wilson) of a share of which `hits` in `n` were counted: lower and upper end, each from 0 to 1.
/// Nothing counted says nothing: then it is everything from 0 to 1.
pub(crate) fn wilson(hits: u64, n: u64) -> (f64, f64) {
    #[expect(clippy::as_conversions, reason = "counts far below 2^53, for a figure that people read")]
    let (n, hits) = (n as f64, hits.min(n) as f64);
    if n == 0.0 {
        return (0.0, 1.0);
    }
    let (z, share) = (1.96_f64, hits / n);
    let middle = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0))
}

/// `hits` for every million of `n`; none of none.
pub(crate) fn per_million(hits: u64, n: u64) -> f64 {
    #[expect(clippy::as_conversions, reason = "counts far below 2^53, for a figure that people read")]
    let (n, hits) = (n as f64, hits as f64);
    if n == 0.0 { 0.0 } else { hits * 1e6 / n }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_known_counts_is_known() {
        let (low, high) = wilson(8, 8);
        assert!((low - 0.676).abs() < 0.001 && (high - 1.0).abs() < 1e-9);
        let (low, high) = wilson(0, 1_000);
        assert!(low.abs() < 1e-9 && (high - 0.003_827).abs() < 1e-5, "none of a thousand is not none");
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!(wilson(9, 8), wilson(8, 8), "more than all is all");
    }

    #[test]
    fn rates_are_of_what_was_counted() {
        assert!((per_million(3, 1_500) - 2_000.0).abs() < 1e-9);
        assert!(per_million(3, 0).abs() < 1e-9);
    }
}
