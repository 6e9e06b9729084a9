//! The set-up token.

use store::setup::SetupToken;
use store::{Fault, Found, args};
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

on_each_engine! {
    async fn a_set_up_token_is_used_once(database: Database) {
        let world = World::new(&database).await;
        let token = |id: &str| SetupToken { id: id.to_owned(), digest: [1; 32], expires_at: after(60), used_at: None };
        for id in ["first", "second"] {
            let token = token(id);
            world.change(move |change| change.put_setup_token(&token)).await;
        }
        let read = |id: &'static str| world.view(move |view| view.setup_token(id));
        assert_eq!(read("first").await, None, "the second took its place");
        assert_eq!(read("second").await, Some(Found::Good(token("second"))));
        let used = token("second");
        let spend = move |change: &mut store::Change<'_>| change.use_setup_token(&used);
        world.change(spend.clone()).await;
        assert_eq!(read("second").await, Some(Found::Good(SetupToken { used_at: Some(NOW), ..token("second") })));
        assert!(matches!(world.try_change(spend).await, Err(Fault::Outrun)));
        world.sql("UPDATE setup_token SET used_at = NULL", args![]).await;
        assert!(matches!(read("second").await, Some(Found::Tampered(_))), "and not brought back by hand");
    }
}
