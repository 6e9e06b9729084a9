//! `/api/v1/groups`

use serde_json::json;

use crate::native::{ADMINISTRATOR, Native, slug};

testkit::on_each_engine! {
    async fn a_group_is_made_filled_changed_and_deleted(database: testkit::Database) {
        let native = Native::open(&database).await;
        let wish = json!({"email": "ada@example.org", "name": "Ada"});
        let ada = native.post("/api/v1/users", &wish).await.json()["user"]["id"].clone();
        let inner = native.post("/api/v1/groups", &json!({"name": "Inner", "members": [ada]})).await;
        assert_eq!((inner.status, inner.header("etag")), (201, Some("\"1\"")), "{inner:?}");
        let (inner_place, inner) = (inner.header("location").unwrap().to_owned(), inner.json()["group"]["id"].clone());
        let wish = json!({"name": "Crew", "description": "Who does it", "roles": [ADMINISTRATOR], "nested": [inner]});
        let made = native.post("/api/v1/groups", &wish).await;
        let (place, group) = (made.header("location").unwrap().to_owned(), made.json()["group"].clone());
        assert_eq!((&group["reach"], &group["roles"][0]["name"], &group["members"]), (&json!("own"), &json!("Administrator"), &json!([])));
        assert_eq!(slug(&native.post("/api/v1/groups", &json!({"name": "CREW"})).await).slug(), "name-taken");

        let edit = async |place: &str, body: serde_json::Value| native.call("PATCH", place, Some(&body)).await;
        let ring = edit(&inner_place, json!({"nested": [group["id"]]})).await;
        assert_eq!((slug(&ring).slug(), ring.json()["errors"][0]["pointer"].clone()), ("invalid-member", json!("/nested")), "{ring:?}");
        for (bad, pointer) in [
            (json!({"members": ["0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"]}), "/members"),
            (json!({"reach": "managed"}), "/reach"),
        ] {
            let answer = edit(&place, bad).await;
            assert_eq!((slug(&answer).slug(), answer.json()["errors"][0]["pointer"].clone()), ("invalid-member", json!(pointer)), "{answer:?}");
        }
        let filled = edit(&place, json!({"members": [ada], "description": ""})).await;
        assert_eq!((filled.status, filled.header("etag"), filled.json()["group"]["members"].clone()), (200, Some("\"2\""), json!([ada])));
        let trail = native.get("/api/v1/audit?action=group.members_changed").await.json();
        assert_eq!((&trail["items"][0]["subject_kind"], trail["items"].as_array().unwrap().len()), (&json!("group"), 1), "{trail}");
        let listed = native.get(&format!("/api/v1/groups?user_id={}&name=cre&role_id={ADMINISTRATOR}", ada.as_str().unwrap())).await.json();
        assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
        let first = native.get("/api/v1/groups?limit=1").await.json();
        let next = native.get(&format!("/api/v1/groups?limit=1&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
        let mut both = [&first["items"][0]["name"], &next["items"][0]["name"]].map(|name| name.as_str().unwrap());
        both.sort_unstable();
        assert_eq!((both, &next["next_cursor"]), (["Crew", "Inner"], &json!(null)));

        assert_eq!(native.call("DELETE", &format!("/api/v1/users/{}", ada.as_str().unwrap()), None).await.status, 200);
        assert_eq!(native.get(&place).await.json()["members"], json!([]), "who is gone is not shown");
        let stale = [("If-Match", "\"1\"")];
        let refused = native.call_with(Some(&native.admin), "DELETE", &place, None, &stale).await;
        assert_eq!(slug(&refused).slug(), "edited-meanwhile");
        assert_eq!(native.call("DELETE", &place, None).await.status, 200);
        assert_eq!(native.get(&place).await.status, 404);
    }
}
