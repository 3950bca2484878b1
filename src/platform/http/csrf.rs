//! Refuses state changes that another site's page asks for (OWASP ASVS 5.0, 3.5.1-3.5.3).
//!
//! `Sec-Fetch-Site` decides where the browser sends it; over plain HTTP on a LAN it does not, and
//! there `Origin` must name the host that was asked. A request with a bearer token is no browser's
//! doing, and one without cookies carries nobody's rights.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, header};

use super::ApiError;

/// Middleware: lets safe methods and same-origin requests through.
pub async fn require_same_origin(request: Request, next: Next) -> Response {
    if is_safe(request.method()) || is_same_origin(request.headers()) {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::FORBIDDEN,
        "cross_origin",
        "This request came from another site. Open Flowkeep itself and try again there.",
    )
    .into_response()
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

fn is_same_origin(headers: &HeaderMap) -> bool {
    let is_bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().get(..7))
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    // A page of another site cannot send this header, and with it no cookie counts.
    if is_bearer {
        return true;
    }
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return matches!(site.as_bytes(), b"same-origin" | b"none");
    }
    if headers.contains_key(header::ORIGIN) {
        let host = text(header::HOST);
        return text(header::ORIGIN)
            .and_then(|origin| origin.split_once("://"))
            .is_some_and(|(_, origin_host)| {
                host.is_some_and(|host| host.eq_ignore_ascii_case(origin_host))
            });
    }
    !headers.contains_key(header::COOKIE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().unwrap());
        }
        is_same_origin(&map)
    }

    #[test]
    fn other_sites_are_refused() {
        assert!(!allows(&[("sec-fetch-site", "cross-site")]));
        assert!(!allows(&[("sec-fetch-site", "same-site")]));
        assert!(!allows(&[
            ("origin", "http://evil.example"),
            ("host", "box:3333")
        ]));
        assert!(!allows(&[("origin", "null"), ("host", "box:3333")]));
        assert!(!allows(&[
            ("cookie", "flowkeep_session=x"),
            ("host", "box:3333")
        ]));
        let contradiction = [
            ("sec-fetch-site", "cross-site"),
            ("origin", "http://box:3333"),
            ("host", "box:3333"),
        ];
        assert!(!allows(&contradiction));
    }

    #[test]
    fn the_own_page_and_programs_are_let_through() {
        assert!(allows(&[
            ("sec-fetch-site", "same-origin"),
            ("cookie", "a=b")
        ]));
        assert!(allows(&[
            ("origin", "http://Box:3333"),
            ("host", "box:3333"),
            ("cookie", "a=b")
        ]));
        assert!(allows(&[("host", "box:3333")]));
        assert!(allows(&[
            ("authorization", "Bearer abc"),
            ("cookie", "a=b"),
            ("host", "box:3333")
        ]));
        assert!(!allows(&[
            ("authorization", "Basic abc"),
            ("cookie", "a=b"),
            ("host", "box:3333")
        ]));
    }
}
