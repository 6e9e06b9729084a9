//! What a catalog must not say.

use super::*;

#[test]
fn the_compiled_in_catalogs_are_good() {
    let products = Product::built_in().unwrap();
    assert!(
        products
            .iter()
            .any(|product| product.name.as_str() == LATCHKEY)
    );
}

#[test]
fn a_role_with_an_undeclared_scope_is_refused_by_name() {
    let text = BUILT_IN[2]
        .1
        .replacen("\"sample.orders:read\",", "\"sample.orders:raed\",", 1);
    let error = Product::parse("demo.toml", &text).unwrap_err().to_string();
    assert!(error.contains("sample.orders:raed"), "{error}");
}
