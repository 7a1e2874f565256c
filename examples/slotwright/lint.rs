//! `exports lint`: judges files of exports(5), and rewrites one safely.
