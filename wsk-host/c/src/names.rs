//! The C library names that the kernel's headers rename in a client's functions.
//!
//! A static library calls `connect` by name, and the linker prefers the program's `connect` to the C library's. WSK
//! clients that are ports of a socket library define exactly these names. So `headers/shared/libc_names.h` has the
//! compiler name a client's `connect` `wsk_client_connect`, and the library's calls reach the C library.
//!
//! A client, or a program that includes such a header, may also use the C library's `connect`, which is then renamed,
//! too. This file therefore defines each new name weakly, as a jump to the program's function with the old name. A
//! client's own definition takes precedence.
//!
//! # Safety
//!
//! A jump leaves all registers and the stack as the caller has set them, for a function with the declaration that the
//! caller used.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::ffi::{CStr, c_void};

/// The function of the C library, or of the program, with a name.
fn find(name: &'static CStr) -> *mut c_void {
    // SAFETY: the name is a C string.
    let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    if found.is_null() { missing as *mut c_void } else { found }
}

/// Replaces a function that the C library lacks.
extern "C" fn missing() -> ! {
    eprintln!(
        "wsk-host: the C library lacks a function that the client calls and libc_names.h lists"
    );
    std::process::abort()
}

/// The jump through a variable.
#[cfg(target_arch = "x86_64")]
macro_rules! jump {
    () => {
        "jmpq *{slot}(%rip)"
    };
}

#[cfg(target_arch = "aarch64")]
macro_rules! jump {
    () => {
        "adrp x16, {slot}\n ldr x16, [x16, :lo12:{slot}]\n br x16"
    };
}

/// A jump for each name, and a constructor that finds its function. It runs before the constructors of programs, which
/// have the priority 65535 or a number of their own.
macro_rules! names {
    ($($name:ident)*) => {
        $(
            mod $name {
                use std::ffi::{CStr, c_void};
                use std::ptr;
                use std::sync::atomic::{AtomicPtr, Ordering};

                static SLOT: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

                extern "C" fn find() {
                    const NAME: &CStr =
                        match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                            Ok(name) => name,
                            Err(_) => panic!("an identifier has no NUL"),
                        };
                    SLOT.store(super::find(NAME), Ordering::Relaxed);
                }

                std::arch::global_asm!(
                    concat!(".pushsection .text.wsk_client_", stringify!($name), ",\"ax\",%progbits"),
                    concat!(".weak wsk_client_", stringify!($name)),
                    concat!(".type wsk_client_", stringify!($name), ",%function"),
                    concat!("wsk_client_", stringify!($name), ":"),
                    jump!(),
                    ".popsection",
                    ".pushsection .init_array.00101,\"aw\",%init_array",
                    ".balign 8",
                    ".8byte {find}",
                    ".popsection",
                    slot = sym SLOT,
                    find = sym find,
                    options(att_syntax)
                );
            }
        )*

        #[cfg(test)]
        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

names! {
    abort accept accept4 alarm bcmp bind chdir chmod chown chroot clock_gettime clock_nanosleep
    close closedir connect creat dirfd dl_iterate_phdr dup dup2 epoll_create1 epoll_ctl epoll_wait
    eventfd execvp exit fchmod fchown fcntl fcntl64 fdatasync fdopendir flock fork freeaddrinfo
    fstat fstat64 fstatat64 fsync ftruncate ftruncate64 futimens gai_strerror getaddrinfo
    getauxval getcwd getenv gethostbyname gethostname getnameinfo getpeername getpgid getpid
    getppid getprotobyname getpwuid_r getrandom getsockname getsockopt getuid gnu_get_libc_version
    if_indextoname if_nametoindex ioctl kill lchown link linkat listen lseek lseek64 lstat lstat64
    madvise mkdir mkfifo mmap mmap64 mprotect mremap munmap nanosleep open open64 openat openat64
    opendir pause pipe pipe2 poll posix_memalign posix_spawn_file_actions_adddup2
    posix_spawn_file_actions_destroy posix_spawn_file_actions_init posix_spawnattr_destroy
    posix_spawnattr_init posix_spawnattr_setflags posix_spawnattr_setpgroup
    posix_spawnattr_setsigdefault posix_spawnp ppoll pread pread64 preadv process_vm_readv pselect
    pthread_attr_destroy pthread_attr_getguardsize pthread_attr_getstack pthread_attr_init
    pthread_attr_setstacksize pthread_create pthread_detach pthread_getattr_np pthread_join
    pthread_key_create pthread_key_delete pthread_self pthread_setname_np pthread_setspecific
    putenv pwrite pwrite64 pwritev raise read readdir64 readlink readv realpath recv recvfrom
    recvmmsg recvmsg rename rmdir sched_getaffinity sched_yield secure_getenv select send
    sendfile64 sendmmsg sendmsg sendto setenv setgid setgroups setpgid setsid setsockopt setuid
    shutdown sigaction sigaddset sigaltstack sigemptyset signal sigprocmask sleep sockatmark
    socket socketpair splice stat stat64 statx strnlen symlink syscall sysconf timerfd_create
    uname unlink unlinkat unsetenv usleep utimensat waitid waitpid write writev
}

#[cfg(test)]
mod tests {
    use super::NAMES;

    #[test]
    fn the_header_has_the_same_names() {
        let header = concat!(env!("CARGO_MANIFEST_DIR"), "/../../headers/shared/libc_names.h");
        let header = std::fs::read_to_string(header).unwrap();
        let renamed: Vec<(&str, &str)> = header
            .lines()
            .filter_map(|line| line.strip_prefix("#pragma redefine_extname ")?.split_once(' '))
            .collect();
        assert_eq!(renamed.iter().map(|(old, _)| *old).collect::<Vec<_>>(), NAMES);
        for (old, new) in renamed {
            assert_eq!(new.strip_prefix("wsk_client_"), Some(old));
        }
    }
}
