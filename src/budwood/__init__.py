"""Budwood: transfer learning for image classification that you can trust."""
