//! Every call of the driver, of cublasLt and of NCCL, as safe functions: nothing outside this folder calls a library.
//!
//! Functions are looked up by name in a library that was loaded. The compiler holds the types of the driver's and
//! cublasLt's against those of `cudarc`, which come from NVIDIA's headers. The functions of `cudarc` itself are not called. They return an enum, so
//! a code that a newer driver invents would be undefined behavior. They panic where a function is missing.

pub(super) mod cublas_lt;
pub(super) mod driver;
pub(super) mod graph;
pub(super) mod module;
pub(super) mod nccl;
pub(super) mod staging;

/// What every function returns: `CUresult`, `cublasStatus_t` or `ncclResult_t` as the number it is. 0 is success.
pub(super) type Code = u32;

/// A library's functions: the names of the headers, and their addresses.
macro_rules! functions {
    (
        $(#[$doc:meta])* $table:ident, remedy $remedy:expr, headers $headers:ident as $code:ident;
        ours { $($own:ident($($own_argument:ty),*) -> $result:ty;)* }
        $($name:ident($($argument:ty),*);)*
    ) => {
        $(#[$doc])*
        #[allow(non_snake_case)]
        pub(crate) struct $table {
            $(pub(super) $name: unsafe extern "C" fn($($argument),*) -> Code,)*
            $($own: unsafe extern "C" fn($($own_argument),*) -> $result,)*
        }

        // The headers' types, but for the result: the compiler refuses a table that differs.
        $(const _: unsafe fn($($argument),*) -> $headers::$code = $headers::$name;)*

        impl $table {
            /// Looks all functions up, and keeps the library loaded.
            ///
            /// # Errors
            /// A function is missing.
            fn of(library: Library) -> Result<$table, Error> {
                let file = library.file(FIRST);
                let address = |name| library.symbol(name).ok_or_else(|| lacking(&file, name, $remedy));
                // SAFETY: `address` is not null and of the function of that name. Its type is what NVIDIA's header declares
                // (held against cudarc's, above), with an enum of 32 bits as the 32 bits it is.
                let table = unsafe {
                    $table {
                        $($name: std::mem::transmute::<*const (), unsafe extern "C" fn($($argument),*) -> Code>(
                            address(stringify!($name))?,
                        ),)*
                        $($own: std::mem::transmute::<*const (), unsafe extern "C" fn($($own_argument),*) -> $result>(
                            address(stringify!($own))?,
                        ),)*
                    }
                };
                library.keep();
                Ok(table)
            }
        }

        impl std::fmt::Debug for $table {
            fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str(stringify!($table))
            }
        }
    };
}

use functions;
