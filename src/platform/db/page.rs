//! Cursor paging: a page is named by the last row seen, so rows that come or go in between
//! neither repeat nor hide others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Rows on a page when the caller does not say.
pub const DEFAULT_LIMIT: u64 = 50;
/// Most rows on a page.
pub const MAX_LIMIT: u64 = 200;

/// Which page is wanted.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// Most items to return, 1 to 200; 50 if absent.
    pub limit: Option<u64>,
    /// `next_cursor` of the page before.
    pub cursor: Option<String>,
}

/// A page of items.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items, newest first.
    pub items: Vec<T>,
    /// Names the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// A cursor or limit that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The limit is outside its range.
    #[error("limit must be between 1 and 200")]
    Limit,
    /// The cursor was not made by us.
    #[error("cursor is not one that this list returned; leave it out to begin again")]
    Cursor,
}

impl PageError {
    /// The query parameter at fault.
    pub fn field(self) -> &'static str {
        match self {
            Self::Limit => "limit",
            Self::Cursor => "cursor",
        }
    }
}

/// A checked request for a page over rows with an integer id, newest first.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// Rows to return.
    pub limit: u64,
    /// Return rows with smaller ids than this.
    pub before_id: Option<i64>,
}

impl TryFrom<&PageQuery> for PageRequest {
    type Error = PageError;

    fn try_from(query: &PageQuery) -> Result<Self, PageError> {
        let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            return Err(PageError::Limit);
        }
        let before_id = query.cursor.as_deref().map(decode_cursor).transpose()?;
        Ok(Self { limit, before_id })
    }
}

impl<T> Page<T> {
    /// Makes a page from up to `limit + 1` rows: the one too many tells that there is a next page.
    pub fn from_rows(mut items: Vec<T>, limit: u64, id: impl Fn(&T) -> i64) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = items.len() > limit;
        items.truncate(limit);
        let next_cursor = items
            .last()
            .filter(|_| has_more)
            .map(|item| encode_cursor(id(item)));
        Self { items, next_cursor }
    }

    /// Turns the items into something else.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page {
            items: self.items.into_iter().map(f).collect(),
            next_cursor: self.next_cursor,
        }
    }
}

fn encode_cursor(id: i64) -> String {
    URL_SAFE_NO_PAD.encode(format!("id:{id}"))
}

fn decode_cursor(cursor: &str) -> Result<i64, PageError> {
    let bytes = URL_SAFE_NO_PAD
        .decode(cursor)
        .map_err(|_| PageError::Cursor)?;
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.strip_prefix("id:"))
        .and_then(|id| id.parse().ok())
        .ok_or(PageError::Cursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_names_its_successor_only_when_there_is_one() {
        let full = Page::from_rows(vec![9_i64, 8, 7], 2, |id| *id);
        assert_eq!(full.items, [9, 8]);
        let query = PageQuery {
            limit: Some(2),
            cursor: full.next_cursor,
        };
        assert_eq!(PageRequest::try_from(&query).unwrap().before_id, Some(8));
        assert!(
            Page::from_rows(vec![9_i64, 8], 2, |id| *id)
                .next_cursor
                .is_none()
        );
    }

    #[test]
    fn a_foreign_cursor_and_a_limit_out_of_range_are_refused() {
        let bad = |limit, cursor: Option<&str>| {
            let query = PageQuery {
                limit,
                cursor: cursor.map(str::to_owned),
            };
            PageRequest::try_from(&query).unwrap_err()
        };
        assert_eq!(bad(Some(0), None), PageError::Limit);
        assert_eq!(bad(Some(201), None), PageError::Limit);
        assert_eq!(
            bad(None, Some("'; DROP TABLE audit_log")),
            PageError::Cursor
        );
    }
}
