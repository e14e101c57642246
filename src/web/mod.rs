//! The pages, served by the daemon itself: plain modules, no build step, nothing from elsewhere.
//! Beside them the descriptions of REST and of the desktop socket, for integrators (contract §10).

use std::future::Ready;
use std::future::ready;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::Response;
use axum::routing::get;
use rust_embed::EmbeddedFile;
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "src/web/assets"]
struct Assets;

/// Who may frame a page, where nobody is named (P13).
const NOBODY: &str = "'none'";

/// What every page may do: talk to its own origin, and be framed by these (P13).
fn content_security_policy(ancestors: &str) -> String {
    format!(
        "default-src 'self'; connect-src 'self' ws: wss:; frame-ancestors {ancestors}; \
         base-uri 'none'; form-action 'none'; object-src 'none'; \
         require-trusted-types-for 'script'"
    )
}

/// The description of REST. `tests/it/proto.rs` holds both against what is served.
const OPENAPI: &str = include_str!("../../proto/openapi.json");
/// The description of the desktop socket.
const ASYNCAPI: &str = include_str!("../../proto/asyncapi.json");

/// The routes of the pages. What is not there is left to the caller's own 404. The agents' desktop may
/// stand in a frame of these origins (B17); no other page may in any.
pub fn pages(frame_ancestors: &[String]) -> Router {
    let ancestors = match frame_ancestors {
        [] => NOBODY.to_owned(),
        listed => listed.join(" "),
    };
    let desktop = move |headers: HeaderMap| ready(asset("index.html", &headers, &ancestors));
    Router::new()
        .route("/openapi.json", get(|| async { described(OPENAPI) }))
        .route("/asyncapi.json", get(|| async { described(ASYNCAPI) }))
        .route("/", get(desktop))
        .route("/supervisor", get(page("supervisor.html")))
        .route("/admin", get(page("admin.html")))
        .route("/activate", get(page("activate.html")))
        .route("/assets/{*path}", get(file))
}

fn page(name: &'static str) -> impl Fn(HeaderMap) -> Ready<Response> + Clone {
    move |headers| ready(asset(name, &headers, NOBODY))
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    asset(&path, &headers, NOBODY)
}

fn described(document: &'static str) -> Response {
    let mut response = Response::new(Body::from(document));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn asset(path: &str, headers: &HeaderMap, ancestors: &str) -> Response {
    // Debug builds read the folder itself: no path may lead out of it.
    let inside = path.split('/').all(|part| !part.is_empty() && !part.starts_with('.'));
    let Some(found) = Assets::get(path).filter(|_| inside) else { return not_found() };
    let etag = etag(&found);
    let fresh = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let known = fresh.flat_map(|tags| tags.split(',')).any(|tag| same_tag(tag, &etag));

    let body = if known { Body::empty() } else { Body::from(found.data.into_owned()) };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        headers.insert(header::ETAG, etag);
    }
    // Origins were checked as they were read: they always make a header.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    let policy = HeaderValue::try_from(content_security_policy(ancestors)).unwrap_or(nothing);
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

fn not_found() -> Response {
    let body = r#"{"error":{"code":"not_found","message":"there is no such page or file"}}"#;
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    let head = hash.iter().take(16).fold(0_u128, |head, byte| (head << 8) | u128::from(*byte));
    format!("\"{head:032x}\"")
}

fn same_tag(tag: &str, etag: &str) -> bool {
    let tag = tag.trim();
    tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("wav") => "audio/wav",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p13_a_page_says_what_it_may_do_and_is_not_sent_twice() {
        for page in ["index.html", "supervisor.html", "admin.html", "activate.html"] {
            says_what_it_may_do(page);
        }
    }

    fn says_what_it_may_do(name: &str) {
        let page = asset(name, &HeaderMap::new(), NOBODY);
        assert_eq!(page.status(), StatusCode::OK);
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-cache"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.headers()[name], value);
        }
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"));

        let mut again = HeaderMap::new();
        again.insert(header::IF_NONE_MATCH, page.headers()[header::ETAG].clone());
        assert_eq!(asset(name, &again, NOBODY).status(), StatusCode::NOT_MODIFIED);
    }

    #[test]
    fn b17_the_desktop_may_be_framed_by_those_who_are_named_and_by_nobody_else() {
        let page = asset("index.html", &HeaderMap::new(), "https://apps.mypurecloud.de");
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("; frame-ancestors https://apps.mypurecloud.de; "), "{policy}");
        let odd = asset("index.html", &HeaderMap::new(), "x\r\ny: z");
        assert!(odd.headers()["content-security-policy"].to_str().unwrap().contains("'none'"));
        assert!(page.headers().get("x-frame-options").is_none());
    }

    #[test]
    fn contract_10_descriptions_are_json() {
        for document in [OPENAPI, ASYNCAPI] {
            assert_eq!(described(document).headers()["content-type"], "application/json");
        }
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        for path in ["../mod.rs", "..", "/etc/passwd", "a/../../mod.rs", ".hidden", "nothing.js"] {
            assert_eq!(
                asset(path, &HeaderMap::new(), NOBODY).status(),
                StatusCode::NOT_FOUND,
                "{path}"
            );
        }
    }
}
