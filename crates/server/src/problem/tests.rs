use std::collections::BTreeSet;

use http_body_util::BodyExt;

use super::*;

#[test]
fn every_problem_has_its_own_slug_and_an_error_status() {
    let mut slugs = BTreeSet::new();
    for kind in Kind::ALL {
        assert!(slugs.insert(kind.slug()), "{} stands twice", kind.slug());
        assert!(
            kind.slug()
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
            "{}",
            kind.slug()
        );
        assert!(kind.uri().ends_with(&format!("#{}", kind.slug())));
        assert!(
            kind.status().is_client_error() || kind.status().is_server_error(),
            "{}",
            kind.slug()
        );
        assert!(
            kind.title().len() > 10 && kind.advice().len() > 20,
            "{}",
            kind.slug()
        );
    }
}

#[test]
fn the_catalogue_stands_in_the_order_of_its_statuses() {
    assert!(
        Kind::ALL
            .iter()
            .map(|kind| kind.status().as_u16())
            .is_sorted()
    );
}

#[tokio::test]
async fn an_answer_is_a_problem_document_that_nobody_stores() {
    let response = Problem::new(Kind::InvalidMember)
        .because("the name is longer than 200 characters")
        .at("/name", "longer than 200 characters")
        .with("limit", 200)
        .header(http::header::RETRY_AFTER, "3")
        .into_response();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["retry-after"], "3");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        body,
        json!({
            "type": "/docs/problems#invalid-member",
            "title": "A member of the body is not acceptable",
            "status": 400,
            "detail": "the name is longer than 200 characters",
            "errors": [{"pointer": "/name", "detail": "longer than 200 characters"}],
            "limit": 200,
        })
    );
}

#[test]
fn an_extension_cannot_replace_a_member_of_the_standard() {
    let body = Problem::new(Kind::NotFound).with("status", 200).body();
    assert_eq!(body["status"], 404);
}

#[test]
fn a_server_error_is_the_same_bytes_whatever_happened() {
    for kind in Kind::ALL
        .iter()
        .filter(|kind| kind.status().is_server_error())
    {
        let plain = Problem::new(*kind).body();
        let told = Problem::new(*kind)
            .because("disk /dev/sda1 is full")
            .at("/x", "y")
            .with("sql", "SELECT 1")
            .body();
        assert_eq!(plain, told, "{}", kind.slug());
    }
}

#[test]
fn the_page_of_problems_is_the_catalogue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");
    let page = page();
    if std::env::var_os("LATCHKEY_WRITE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page,
        "docs/problems.md is not the catalogue; run this test with LATCHKEY_WRITE=1"
    );
}
