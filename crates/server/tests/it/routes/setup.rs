//! `/api/v1/setup`

use serde_json::json;

use crate::house::House;

testkit::on_each_engine! {
    async fn a_set_up_token_makes_one_administrator(database: testkit::Database) {
        let house = House::open(&database).await;
        let token = house.authority.begin_setup().await.unwrap().expect("nobody administers the server");
        let ask = async |token: &str, body: &serde_json::Value| {
            let headers = [("Authorization".to_owned(), format!("Bearer {token}")), ("Content-Type".to_owned(), "application/json".to_owned())];
            house.ask("POST", "/api/v1/setup", &headers, &body.to_string(), None).await
        };
        let wish = json!({"organization": "Operator", "email": "ada@example.org", "name": "Ada"});
        assert_eq!(ask("lk_setup_x", &wish).await.status, 401);
        assert_eq!(ask(token.expose(), &json!({"organization": "", "email": "ada@example.org", "name": "Ada"})).await.status, 400);
        let done = ask(token.expose(), &wish).await;
        assert_eq!((done.status, done.header("cache-control")), (201, Some("no-store")), "{done:?}");
        let done = done.json();
        assert_eq!((&done["organization"]["number"], &done["user"]["name"]), (&json!(1), &json!("Ada")));
        let key = format!("Bearer {}", done["secret"]["key"].as_str().unwrap());
        let whoami = house.ask("GET", "/api/v1/whoami", &[("Authorization".to_owned(), key)], "", None).await;
        assert_eq!((whoami.status, &whoami.json()["owner_id"]), (200, &done["user"]["id"]));
        assert_eq!(ask(token.expose(), &wish).await.status, 409);
        assert!(house.authority.begin_setup().await.unwrap().is_none());
    }
}
