//! Takes addresses and keys out of text that comes from outside, before anybody sees it.
//!
//! It must never let through the host, a path segment, a query value or credentials of an endpoint's address.

use url::Url;

/// Longest text of a node that is repeated to people.
const LONGEST: usize = 300;
/// Shorter pieces of an address are words such as `v3`, which protect nothing and would blank out prose.
const SHORTEST_SECRET: usize = 6;

/// The pieces of one address that must not appear in any message.
#[derive(Clone, Default)]
pub(crate) struct Redactor {
    secrets: Vec<String>,
}

impl Redactor {
    pub(crate) fn for_url(url: &Url) -> Self {
        let mut secrets = vec![url.as_str().to_owned(), url.as_str().trim_end_matches('/').to_owned()];
        secrets.extend(url.host_str().map(str::to_owned));
        secrets.extend(url.query().map(str::to_owned));
        secrets.extend(url.password().map(str::to_owned));
        secrets.push(url.username().to_owned());
        let long = |piece: &String| piece.len() >= SHORTEST_SECRET;
        secrets.extend(url.path_segments().into_iter().flatten().map(str::to_owned).filter(long));
        secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()).filter(long));
        secrets.retain(|secret| secret.len() > 2);
        // The longest first, so that a whole address goes before its parts.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { secrets }
    }

    pub(crate) fn for_path(path: &std::path::Path) -> Self {
        Self { secrets: vec![path.display().to_string()] }
    }

    /// `text` without secrets and control characters, cut to a length that fits a message.
    pub(crate) fn clean(&self, text: &str) -> String {
        let mut cleaned: String = text.chars().take(LONGEST.saturating_mul(8)).collect();
        for secret in &self.secrets {
            if cleaned.contains(secret.as_str()) {
                cleaned = cleaned.replace(secret.as_str(), "***");
            }
        }
        let words: Vec<&str> = cleaned
            .split(|c: char| c.is_whitespace() || c.is_control())
            .filter(|word| !word.is_empty())
            .map(|word| if word.contains("://") { "***" } else { word })
            .collect();
        clip(&words.join(" "), LONGEST)
    }
}

/// The first `longest` characters, with a mark where something was cut off.
pub(crate) fn clip(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", text.get(..end).unwrap_or_default(), text.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_piece_of_an_address_survives() {
        let url = Url::parse("https://user:hunter22@node.example.org/v3/0123456789abcdef?apikey=topsecret").unwrap();
        let redactor = Redactor::for_url(&url);
        let said = format!(
            "error sending request for url ({url}): node.example.org says 0123456789abcdef is no key, try topsecret or hunter22"
        );
        let cleaned = redactor.clean(&said);
        for secret in ["hunter22", "node.example.org", "0123456789abcdef", "topsecret", "://"] {
            assert!(!cleaned.contains(secret), "{secret} in {cleaned}");
        }
        assert!(cleaned.starts_with("error sending request"));
    }

    #[test]
    fn long_text_is_cut_and_says_how_long_it_was() {
        let cleaned = Redactor::default().clean(&"x".repeat(2_000));
        assert!(cleaned.len() < 400 && cleaned.contains("2000 bytes"), "{cleaned}");
    }
}
