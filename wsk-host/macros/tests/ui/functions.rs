//! What is no test.

#[wsk_host::test]
const fn constant() {}

#[wsk_host::test]
unsafe extern "C" fn of_c() {}

#[wsk_host::test]
fn generic<T>()
where
    T: Send,
{
}

#[wsk_host::test]
async fn two_hosts(_one: wsk_host::Host, _other: wsk_host::Host) {}

struct Tests;

impl Tests {
    #[wsk_host::test]
    fn method(&self) {}
}

#[wsk_host::test]
struct NoFunction;

#[wsk_host::test(seed = 3)]
fn two_mistakes<T>() {}

fn main() {}
