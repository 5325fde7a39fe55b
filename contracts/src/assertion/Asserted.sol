// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.28;

/// @notice A token as small as one can be.
contract AssertedToken {
    event Transfer(address indexed from, address indexed to, uint256 value);

    mapping(address => uint256) public balanceOf;
    uint256 public totalSupply;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
        totalSupply += amount;
        emit Transfer(address(0), to, amount);
    }

    function move(address from, address to, uint256 amount) external {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
        emit Transfer(from, to, amount);
    }
}

/// @notice Code that the vault runs on its own storage.
contract AssertedLibrary {
    uint256 public shares;

    function note(uint256 amount) external returns (uint256) {
        shares += amount;
        return shares;
    }
}

/// @notice A vault whose every call leaves something to be asked about. One share is one asset, until somebody gives.
contract AssertedVault {
    event Deposited(address indexed by, uint256 amount);

    uint256 public totalSupply; // slot 0
    address public owner; // slot 1
    uint256 public lock; // slot 2
    AssertedToken public immutable token;
    AssertedLibrary public immutable library_;

    constructor(AssertedToken token_, AssertedLibrary library__) {
        token = token_;
        library_ = library__;
        owner = msg.sender;
    }

    receive() external payable {}

    function totalAssets() public view returns (uint256) {
        return token.balanceOf(address(this));
    }

    function deposit(uint256 amount) public returns (uint256) {
        lock = 1;
        token.move(msg.sender, address(this), amount);
        totalSupply += amount;
        emit Deposited(msg.sender, amount);
        lock = 0;
        return totalSupply;
    }

    function withdraw(uint256 amount) external {
        totalSupply -= amount;
        token.move(address(this), msg.sender, amount);
    }

    function failing() external {
        totalSupply += 1_000_000;
        emit Deposited(msg.sender, 1_000_000);
        this.deposit(0);
        revert("it fails after all");
    }

    function delegated(uint256 amount) external {
        (bool done,) = address(library_).delegatecall(abi.encodeCall(AssertedLibrary.note, (amount)));
        require(done);
    }

    /// @dev An opcode that only assembly still knows.
    function coded(uint256 amount) external {
        bytes memory data = abi.encodeCall(AssertedLibrary.note, (amount));
        address code = address(library_);
        bool done;
        assembly {
            done := callcode(gas(), code, 0, add(data, 32), mload(data), 0, 0)
        }
        require(done);
    }

    function handOver(address to) external {
        owner = to;
    }

    function take(address to, uint256 amount) external {
        token.move(address(this), to, amount);
    }
}

/// @notice Makes one transaction out of many calls. The numbers are those that the assertions expect.
contract AssertedDriver {
    AssertedVault private immutable vault;

    constructor(AssertedVault vault_) {
        vault = vault_;
    }

    function run() external payable {
        vault.deposit(100);
        vault.totalAssets();
        vault.deposit(50);
        try vault.failing() {} catch {}
        vault.withdraw(30);
        vault.delegated(7);
        vault.coded(0);
        (bool paid,) = address(vault).call{value: msg.value}("");
        require(paid);
    }

    /// @notice The price is moved and moved back within the transaction.
    function pushAndPull(uint256 amount) external {
        AssertedToken token = vault.token();
        token.move(address(this), address(vault), amount);
        vault.deposit(0);
        vault.take(address(this), amount);
    }

    function depositMany(uint256 times) external {
        for (uint256 i; i < times; ++i) vault.deposit(1);
    }
}

/// @notice Turns whoever asks it to another moment, or tries to.
contract TurningToken {
    function totalSupply() external returns (uint256) {
        (bool direct,) = 0x4461812e00718ff8D80929E3bF595AEaaa7b881E.call(abi.encodeWithSignature("forkPreTx()"));
        (bool through,) = msg.sender.call(abi.encodeWithSignature("turn()"));
        return (direct ? 1 : 0) + (through ? 2 : 0);
    }
}

/// @notice Answers what no ABI allows, or nothing, or never.
contract JunkToken {
    function totalSupply() external pure {
        assembly {
            mstore(0, not(0))
            return(0, 3)
        }
    }

    function balanceOf(address) external pure returns (uint256) {
        while (true) {}
        return 0;
    }
}
