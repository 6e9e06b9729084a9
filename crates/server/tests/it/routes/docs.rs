//! `/openapi.json`, `/docs`, `/docs/problems`

use server::problem::Kind;
use testkit::Engine;

use crate::native::Native;
use crate::openapi::{checked_in, operations};

#[test]
fn the_description_is_served_to_everybody_and_loads_nothing_from_elsewhere() {
    testkit::run(Engine::Sqlite, |database| async move {
        let native = Native::open(&database).await;
        let document = native.call_as(None, "GET", "/openapi.json", None).await;
        assert_eq!(
            (document.status, document.header("content-type")),
            (200, Some("application/json"))
        );
        assert_eq!(operations(&document.json()), operations(&checked_in()));

        let page = native.call_as(None, "GET", "/docs", None).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        for (id, _, path) in operations(&checked_in()) {
            assert!(
                page.body.contains(&format!("<h3 id=\"{id}\">")) && page.body.contains(&path),
                "{id}"
            );
        }
        assert!(
            !page.body.contains("<script")
                && !page.body.contains("http://")
                && !page.body.contains("https://")
        );
        assert!(
            page.header("content-security-policy")
                .is_some_and(|policy| policy.starts_with("default-src 'none'"))
        );

        let problems = native.call_as(None, "GET", "/docs/problems", None).await;
        for kind in Kind::ALL {
            assert!(
                problems.body.contains(&format!("id=\"{}\"", kind.slug())),
                "{}",
                kind.slug()
            );
        }
    });
}
