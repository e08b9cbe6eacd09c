BvariableJ P‚WCôËCvoCšşCPn€CÄkJC
`CN©4C