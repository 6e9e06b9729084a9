//! `/api/v1/roles`

use serde_json::json;

use crate::native::{Native, ORDERS, slug};

testkit::on_each_engine! {
    async fn a_role_is_made_weighed_changed_and_deleted(database: testkit::Database) {
        let native = Native::open(&database).await;
        let wish = json!({"product": "sample", "name": "Clerk", "description": "Orders", "scopes": [ORDERS, "sample.orders:write"]});
        let made = native.post("/api/v1/roles", &wish).await;
        assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")), "{made:?}");
        let (place, role) = (made.header("location").unwrap().to_owned(), made.json()["role"]["id"].clone());
        let (id, key) = native.static_key(&json!({"scopes": [], "roles": [role]})).await;
        let holds = async |scope: &str| native.verify(&json!({"credential": key, "scopes": [scope]})).await["code"].clone();
        assert_eq!(holds("sample.orders:write").await, "VALID");

        let edit = json!({"scopes": [ORDERS]});
        let losses = native.post(&format!("{place}/preview"), &json!({"edit": edit})).await.json();
        assert_eq!((&losses["keys"][0]["id"], &losses["keys"][0]["scopes"]), (&json!(id), &json!(["sample.orders:write"])));
        assert_eq!(native.call("PATCH", &place, Some(&edit)).await.status, 200);
        assert_eq!(holds("sample.orders:write").await, "INSUFFICIENT_SCOPE");
        assert_eq!(holds(ORDERS).await, "VALID");

        assert_eq!(slug(&native.call("DELETE", &place, None).await).slug(), "state-conflict");
        assert_eq!(native.call("DELETE", &format!("{place}?force=true"), None).await.status, 200);
        assert_eq!(holds(ORDERS).await, "INSUFFICIENT_SCOPE");
        assert_eq!(native.get(&place).await.status, 404);
    }

    async fn built_in_roles_are_listed_and_stay(database: testkit::Database) {
        let native = Native::open(&database).await;
        let listed = native.get("/api/v1/roles?product=sample&built_in=true").await.json();
        let names: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|role| role["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["Reader", "Editor", "Order Clerk"]);
        let path = format!("/api/v1/roles/{}", listed["items"][0]["id"].as_str().unwrap());
        assert_eq!(slug(&native.call("PATCH", &path, Some(&json!({"name": "X"}))).await).slug(), "state-conflict");
        let shadow = json!({"product": "sample", "name": "reader", "scopes": [ORDERS]});
        assert_eq!(slug(&native.post("/api/v1/roles", &shadow).await).slug(), "name-taken");
    }
}
