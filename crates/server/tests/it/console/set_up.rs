//! The first administrator, and over what a password may be sent.

use std::net::{IpAddr, Ipv4Addr};

use super::{Browser, PASSWORD, encoded};
use crate::house::{Answer, House};

const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));

/// Sends a form over plain HTTP from this machine or from elsewhere.
async fn send(house: &House, path: &str, form: &[(&str, &str)], from: Option<IpAddr>) -> Answer {
    let pairs = form
        .iter()
        .map(|(name, value)| format!("{name}={}", encoded(value)));
    let body = pairs.collect::<Vec<_>>().join("&");
    let headers = [
        ("Sec-Fetch-Site".to_owned(), "same-origin".to_owned()),
        (
            "Content-Type".to_owned(),
            "application/x-www-form-urlencoded".to_owned(),
        ),
    ];
    house.ask("POST", path, &headers, &body, from).await
}

testkit::on_each_engine! {
    async fn the_first_administrator_signs_in_with_a_password_and_no_key_is_left_lying(database: testkit::Database) {
        let house = House::open(&database).await;
        let token = house.authority.begin_setup().await.unwrap().expect("nobody administers the server");
        let form = |token, password| [
            ("token", token), ("organization", "Operator"), ("name", "Ada"), ("email", "ada@example.org"), ("password", password),
        ];
        let good = form(token.expose(), PASSWORD);
        let sign_in = [("email", "ada@example.org"), ("password", PASSWORD)];
        // Neither the token nor a password is taken in the clear from elsewhere.
        let refused = send(&house, "/console/set-up", &good, Some(ELSEWHERE)).await;
        assert_eq!((refused.status, refused.headers("set-cookie").len()), (403, 0), "{refused:?}");
        assert!(refused.body.contains("use HTTPS") && !house.authority.is_set_up());
        assert_eq!(send(&house, "/console/set-up", &form("lk_setup_x", PASSWORD), None).await.status, 422);
        assert_eq!(send(&house, "/console/set-up", &form(token.expose(), "short"), None).await.status, 422);
        assert!(!house.authority.is_set_up());

        let done = send(&house, "/console/set-up", &good, None).await;
        assert_eq!((done.status, done.header("location")), (303, Some("/console")), "{done:?}");
        let mut browser = Browser { house: &house, cookies: Default::default(), form_key: String::new() };
        browser.keep_cookies(&done);
        let page = browser.get("/console").await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.body.contains("No keys yet"), "nobody has seen the secret of a key: {page:?}");

        let refused = send(&house, "/console/sign-in", &sign_in, Some(ELSEWHERE)).await;
        assert_eq!((refused.status, refused.headers("set-cookie").len()), (403, 0), "{refused:?}");
        assert_eq!(send(&house, "/console/sign-in", &sign_in, None).await.status, 303);
        // It works once.
        assert_eq!(send(&house, "/console/set-up", &good, None).await.status, 404);
    }
}
