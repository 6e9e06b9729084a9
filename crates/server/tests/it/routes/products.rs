//! `/api/v1/products`

use serde_json::json;

use crate::native::Native;

testkit::on_each_engine! {
    async fn a_product_tells_its_scopes_and_the_roles_that_one_could_give(database: testkit::Database) {
        let native = Native::open(&database).await;
        let all = native.get("/api/v1/products").await.json();
        let names: Vec<&str> = all["items"].as_array().unwrap().iter().map(|product| product["name"].as_str().unwrap()).collect();
        assert!(names.contains(&"sample") && names.contains(&"latchkey"), "{names:?}");
        let sample = native.get("/api/v1/products/sample").await.json();
        assert_eq!(sample["kinds"], json!(["static", "signed", "client", "token_pair", "jwt"]));
        assert!(sample["scopes"].as_array().unwrap().iter().any(|scope| scope["scope"] == "sample.orders:read"));
        assert_eq!(native.get("/api/v1/products/nothing").await.status, 404);

        let viewer = native.latchkey(native.home, &["latchkey.products:read"]).await;
        let seen = native.call_as(Some(&viewer), "GET", "/api/v1/products/latchkey", None).await.json();
        assert_eq!(seen["roles"], json!([]), "nobody sees a role above their own rights");
    }
}
