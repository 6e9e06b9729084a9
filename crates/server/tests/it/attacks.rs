//! What somebody sends who means harm: each of these once did something that it should not.

use authority::keys::Shown;
use credential::key::Kind;
use credential::time::Span;
use testkit::Database;

use crate::house::{House, basic, client};

const GRANT: &str = "grant_type=client_credentials";

testkit::on_each_engine! {
    async fn a_nul_in_what_is_looked_for_is_no_failure_of_the_server(database: Database) {
        let house = House::open(&database).await;
        let home = house.organization("Home").await;
        let scopes = ["latchkey.keys:read", "latchkey.keys:revoke", "latchkey.audit:read", "latchkey.users:read"];
        let admin = house.key(home, "latchkey", Kind::Static, "Admin", &scopes).await;
        let Shown::Static { secret } = &admin.shown else { panic!("no secret") };
        let nobody = basic(&("a\0b".to_owned(), "x".to_owned()));
        for path in ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke", "/auth/v2/token"] {
            let answer = house.post(path, Some(&nobody), &format!("{GRANT}&token=x")).await;
            assert_eq!(answer.status, 401, "{path}: {answer:?}");
            let named = format!("{GRANT}&token=x&client_id=a%00b&client_secret=x");
            assert_eq!(house.post(path, None, &named).await.status, 401, "{path}");
        }
        let headers = [
            ("Authorization".to_owned(), format!("Bearer {}", secret.expose())),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ];
        for path in ["keys?name=%00", "audit?subject_id=a%00", "audit?actor_id=%00", "users?name=%00"] {
            let answer = house.ask("GET", &format!("/api/v1/{path}"), &headers, "", None).await;
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
        }
        let filter = r#"{"filter": {"name": "a\u0000"}, "dry_run": true}"#;
        let answer = house.ask("POST", "/api/v1/keys/bulk-revoke", &headers, filter, None).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }

    async fn usage_is_counted_by_routes_and_never_by_the_paths_that_clients_invent(database: Database) {
        let house = House::open(&database).await;
        let home = house.organization("Home").await;
        let kept = house.key(home, "latchkey", Kind::Static, "Reader", &["latchkey.keys:read"]).await;
        let Shown::Static { secret } = &kept.shown else { panic!("no secret") };
        let bearer = vec![("Authorization".to_owned(), format!("Bearer {}", secret.expose()))];
        for n in 0..5 {
            let path = format!("/api/v1/keys/01890000-0000-7000-8000-00000000000{n}");
            assert_eq!(house.ask("GET", &path, &bearer, "", None).await.status, 404);
        }
        let bought = async |name: &str, scope: &str| {
            let buyer = house.key(home, "secure_access", Kind::Client, name, &[scope]).await;
            let answer = house.post("/auth/v2/token", Some(&basic(&client(&buyer))), GRANT).await;
            let token = format!("Bearer {}", answer.json()["access_token"].as_str().unwrap());
            (buyer.key.id, vec![("Authorization".to_owned(), token)])
        };
        let (roamer, bearer) = bought("Client", "deployments.roamingcomputers:read").await;
        let (admin, admins) = bought("Admin", "admin.apikeys:read").await;
        for n in 0..5 {
            let path = format!("/deployments/v2/roamingcomputers/{n}");
            assert_eq!(house.ask("GET", &path, &bearer, "", None).await.status, 200);
            let path = format!("/deployments/v2/roamingcomputers/{n}/unlisted");
            assert_eq!(house.ask("GET", &path, &bearer, "", None).await.status, 403);
            let path = format!("/admin/v2/apiKeys/{n}");
            assert_eq!(house.ask("GET", &path, &admins, "", None).await.status, 404);
        }
        house.authority.flush_usage().await.unwrap();
        for (key, expected) in [
            (kept.key.id, &["/api/v1/keys/{id}"][..]),
            (roamer, &["/deployments/v2/roamingcomputers/{id}", "token"]),
            (admin, &["/admin/v2/apiKeys/{id}", "token"]),
        ] {
            let now = house.authority.now();
            let (from, before) = (now - Span::from_hours(2), now + Span::from_hours(1));
            let hours = house
                .authority
                .store()
                .view(move |view| view.hourly_usage(key, from, before, 100))
                .await
                .unwrap();
            let mut routes: Vec<_> = hours.iter().map(|hour| hour.route.as_str()).collect();
            routes.sort_unstable();
            routes.dedup();
            assert_eq!(routes, expected);
        }
    }

    async fn the_challenge_says_whether_nothing_a_bad_token_or_too_little_was_presented(database: Database) {
        let house = House::open(&database).await;
        let home = house.organization("Home").await;
        let small = house.key(home, "latchkey", Kind::Static, "Small", &["latchkey.verify"]).await;
        let Shown::Static { secret } = &small.shown else { panic!("no secret") };
        let small = format!("Bearer {}", secret.expose());
        let bare = "Bearer realm=\"latchkey\"";
        for (presented, status, more) in [
            (None, 401, String::new()),
            (Some("Bearer junk"), 401, ", error=\"invalid_token\"".to_owned()),
            (Some("Basic YTpi"), 401, ", error=\"invalid_token\"".to_owned()),
            (Some(small.as_str()), 403, ", error=\"insufficient_scope\", scope=\"latchkey.keys:read\"".to_owned()),
        ] {
            let headers: Vec<_> = presented.map(|value| ("Authorization".to_owned(), value.to_owned())).into_iter().collect();
            let answer = house.ask("GET", "/api/v1/keys", &headers, "", None).await;
            assert_eq!(answer.status, status, "{answer:?}");
            assert_eq!(answer.header("www-authenticate"), Some(format!("{bare}{more}").as_str()));
        }
    }

    async fn a_key_in_the_query_is_refused_by_the_gateway_however_it_is_written(database: Database) {
        let house = House::open(&database).await;
        for query in ["k=lk_key_x", "lk_key_x", "k=%6ck_key_x", "a=1&k=%6C%6B%5Fkey_x"] {
            let path = format!("/deployments/v2/roamingcomputers?{query}");
            let answer = house.ask("GET", &path, &[], "", None).await;
            assert_eq!(answer.status, 400, "{query}: {answer:?}");
        }
        for query in ["access%5Ftoken=x", "%6ck_key_x"] {
            let answer = house.ask("GET", &format!("/api/v1/keys?{query}"), &[], "", None).await;
            assert_eq!(answer.status, 400, "{query}: {answer:?}");
        }
        let answer = house.ask("GET", "/deployments/v2/roamingcomputers?limit=1&q=100%", &[], "", None).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}
