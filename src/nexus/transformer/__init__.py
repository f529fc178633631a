"""The Nexus Transformer: a window that reasons and a sparse memory that never grows. Needs torch; this
package itself imports nothing heavy.
"""
