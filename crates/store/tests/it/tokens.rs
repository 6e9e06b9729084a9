//! Revoked tokens.

use credential::event::Action;
use credential::id::TokenId;
use store::Found;
use store::change::NO_DETAIL;
use store::tokens::RevokedToken;
use testkit::{Database, on_each_engine};

use crate::world::{NOW, World, after};

on_each_engine! {
    async fn a_token_is_revoked_once_and_its_row_goes_when_it_has_expired(database: Database) {
        let world = World::new(&database).await;
        let token = |byte: u8| RevokedToken {
            id: TokenId::from_bytes([byte; 16]),
            organization: world.organization.id,
            key: world.key("any").id,
            expires_at: after(i64::from(byte)),
            at: NOW,
        };
        let (one, two) = (token(1), token(2));
        for (token, expected) in [(&one, true), (&two, true), (&one, false)] {
            let token = token.clone();
            let revoked = world.change(move |change| change.revoke_token(&token, NO_DETAIL)).await;
            assert_eq!(revoked.value, expected);
        }
        let all = world.view(|view| view.revoked_tokens_page(None, 10)).await;
        assert_eq!(all, vec![Found::Good(one.clone()), Found::Good(two.clone())]);
        let id = one.id;
        assert_eq!(world.view(move |view| view.revoked_tokens_page(Some(id), 10)).await, vec![Found::Good(two.clone())]);
        assert_eq!(world.view(|view| view.expired_tokens(after(2), 10)).await, vec![Found::Good(one.clone())]);
        world.change(move |change| change.delete_revoked_token(&one, Action::KeyPurged, NO_DETAIL)).await;
        assert_eq!(world.view(|view| view.revoked_tokens_page(None, 10)).await, vec![Found::Good(two)]);
        assert_eq!(world.mismatches().await, vec![]);
    }
}
