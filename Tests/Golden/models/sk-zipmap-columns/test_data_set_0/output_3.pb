B
svirginicaJ ö∞©DõpµóÃB=tXï=’t9≤ﬂ?y—L?